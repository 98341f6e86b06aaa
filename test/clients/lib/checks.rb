# Checks of a client in Ruby: check(:name) { ... } for the lines of checks.txt.
HINT = "Say what the data is used for"
MARKETING = [1, 2, 3, 4, 5]
KEPT_BACK = [4, 5]
SERVICE = (1..10).to_a
SAID = File.readlines(File.join(__dir__, "checks.txt"), chomp: true).select { |l| l.include?("\t") }.to_h { |l| l.split("\t") }
$stdout.sync = true

def check(name)
  yield
  puts "ok - #{CLIENT}: #{name}: #{SAID.fetch(name.to_s)}"
rescue StandardError => e
  puts "not ok - #{CLIENT}: #{name}: #{SAID.fetch(name.to_s)}"
  puts e.full_message(highlight: false).gsub(/^/, "# ")
end

def cannot(name, reason)
  puts "skipped - #{CLIENT}: #{name}: #{reason}" if SAID.fetch(name.to_s)
end

def same(found, expected)
  raise "found #{found.inspect}, expected #{expected.inspect}" unless found == expected
end

# The block must raise this; returns the exception.
def raises(kind)
  result = yield
rescue kind => e
  e
else
  raise "no #{kind}, but #{result.inspect}"
end
