# ActiveRecord.
CLIENT = "activerecord"
require "active_record"
require_relative "checks"
require_relative "purpose"

CONFIG = { adapter: "postgresql", database: "shop", username: "shop_app", pool: 1 }
ActiveRecord::Base.establish_connection(CONFIG)
require_relative "models"

class ServiceCustomer < ActiveRecord::Base
  self.table_name = '"service"."customer"'
  self.primary_key = "customer_id"
  self.partial_inserts = true if respond_to?(:partial_inserts=)
end

class Purchase < ActiveRecord::Base
  self.table_name = '"shop"."purchase"'
  self.primary_key = "purchase_id"
  belongs_to :customer
end

class News < ActiveRecord::Base
  self.abstract_class = true
  establish_connection(CONFIG.merge(username: "shop_news"))
end

class NewsCustomer < News
  self.table_name = '"shop"."customer"'
  self.primary_key = "customer_id"
end

class Idle < ActiveRecord::Base
  self.abstract_class = true
  establish_connection(CONFIG.merge(username: "shop_idle"))
end

class IdleCustomer < Idle
  self.table_name = '"shop"."customer"'
  self.primary_key = "customer_id"
end

REFUSED = ActiveRecord::StatementInvalid

def ids(model = Customer)
  model.order(:customer_id).pluck(:customer_id)
end

def sql(query)
  ActiveRecord::Base.connection.exec_query(query).rows.map(&:first)
end

def state(error)
  error.cause.result.error_field(PG::PG_DIAG_SQLSTATE)
end

def service(&block)
  Purpose.for("service", &block)
end

check(:purpose) do
  Purpose.for("marketing") { same(ids, MARKETING) }
  service { same(ids, SERVICE) }
  raises(REFUSED) { ids }
  ActiveRecord::Base.transaction { raises(RuntimeError) { service { } } }
  # as in a request
  ActiveRecord::Base.cache do
    service { same(Customer.order(:customer_id).map(&:customer_id), SERVICE) }
    Purpose.for("marketing") { same(Customer.order(:customer_id).map(&:customer_id), MARKETING) }
    raises(REFUSED) { Customer.order(:customer_id).to_a }
  end
end

check(:role) { same(ids(NewsCustomer), MARKETING) }

check(:view) do
  same(ids(MarketingCustomer), MARKETING)
  same(MarketingCustomer.find(2).name, "Name 2")
  raises(ActiveRecord::RecordNotFound) { MarketingCustomer.find(6) }
end

check(:create) do
  made = Customer.create!(name: "New", email: "new@shop.example")
  same([made.customer_id, service { made.reload.joined.nil? }], [11, false])
end

check(:read) do
  service do
    same(Customer.find(7).name, "Name 7")
    same(ids(Customer.where("email LIKE ?", "mail1%")), [1, 10])
    same(Customer.where(customer_id: ..10).count, 10)
    same(Purchase.joins(:customer).where(customer: { customer_id: 3 }).pluck("customer.name", :price), [["Name 3", 30]])
  end
end

check(:update) do
  service { Customer.find(2).update!(phone: "555-0") }
  service { same(Customer.find(2).phone, "555-0") }
end

check(:delete) do
  service { Customer.find(11).destroy! }
  service { same(Customer.exists?(11), false) }
end

check(:upsert) do
  service do
    first = Customer.upsert_all([{ name: "One", email: "up@shop.example" }], unique_by: :email, returning: %w[customer_id]).rows
    again = Customer.upsert_all([{ name: "Two", email: "up@shop.example" }], unique_by: :email, returning: %w[customer_id]).rows
    same(again, first)
    same(Customer.find_by(email: "up@shop.example").name, "Two")
    Customer.find_by(email: "up@shop.example").destroy!
  end
end

check(:returning) do
  service { same(Customer.find_by_sql("UPDATE shop.customer SET phone = phone WHERE customer_id = 8 RETURNING *").map(&:name), ["Name 8"]) }
end

check(:view_write) do
  made = ServiceCustomer.create!(name: "V", email: "v@shop.example")
  made.update!(phone: "1")
  same(sql("INSERT INTO service.customer (name, email) VALUES ('W', 'v@shop.example')
    ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING customer_id"), [made.customer_id])
  made.reload
  same([made.name, made.phone, made.joined.nil?], ["W", "1", false])
  made.destroy!
  same(ServiceCustomer.exists?(made.customer_id), false)
end

check(:masked_read) do
  Purpose.for("marketing") do
    same(ids(Customer.where(email: nil)), KEPT_BACK)
    same(Customer.find(4).email, nil)
  end
end

check(:masked_write) do
  error = raises(REFUSED) do
    Purpose.for("marketing") do
      four = Customer.find(4)
      four.name = "Changed"
      four.email_will_change!
      four.phone_will_change!
      four.save!
    end
  end
  same(state(error), "42501")
  service { same(Customer.find(4).attributes.values_at("name", "email"), ["Name 4", "mail4@shop.example"]) }
  Purpose.for("marketing") { Customer.find(4).update!(name: "Name IV") }
  service { same(Customer.find(4).attributes.values_at("name", "email"), ["Name IV", "mail4@shop.example"]) }
end

check(:hidden) do
  six = service { Customer.find(6) }
  Purpose.for("marketing") do
    same(Customer.find_by(customer_id: 6), nil)
    same(Customer.where(customer_id: 6).update_all(name: "x"), 0)
    raises(ActiveRecord::RecordNotFound) { six.lock! }
    six.update!(name: "x")
  end
  service { same(Customer.find(6).name, "Name 6") }
end

check(:prepared) do
  14.times do
    [["marketing", 5], ["service", 10]].each do |name, expected|
      Purpose.for(name) { same(Customer.where(customer_id: ..100).to_a.size, expected) }
    end
  end
  same(sql("SELECT generic_plans > 0 FROM pg_prepared_statements WHERE statement LIKE '%customer_id\" <= $1%' AND statement NOT LIKE '%COUNT%'"), [true])
end

check(:partial) do
  Purpose.for("marketing") do
    ActiveRecord::Base.connection.execute("DECLARE parts CURSOR FOR #{Customer.select(:customer_id).order(:customer_id).to_sql}")
    got = sql("FETCH 2 FROM parts")
    sql("SELECT personalize.set_purpose('service')")
    same(got + sql("FETCH ALL FROM parts"), MARKETING)
  end
end

check(:pool) do
  # another thread borrows the pool's only connection
  request = lambda do |&work|
    Thread.new do
      Thread.current.report_on_exception = false
      ActiveRecord::Base.connection_pool.with_connection(&work)
    end.value
  end
  ActiveRecord::Base.connection_pool.release_connection
  first = request.call { sql("SELECT pg_backend_pid()") }
  same(request.call { service { ids } }, SERVICE)
  raises(REFUSED) { request.call { ids } }
  request.call { service { same(ids, SERVICE); raise ActiveRecord::Rollback } }
  raises(REFUSED) { request.call { ids } }
  raises(REFUSED) { request.call { service { sql("SELECT 1 / 0") } } }
  raises(REFUSED) { request.call { ids } }
  same(request.call { sql("SELECT pg_backend_pid()") }, first)
end

check(:pool_session) do
  raises(REFUSED) { sql("SET personalize.purpose = 'service'") }
  sql("SELECT set_config('personalize.purpose', 'service', false)")
  raises(REFUSED) { ids }
end

check(:error) do
  error = raises(REFUSED) { ids }
  same(error.cause.class, PG::InsufficientPrivilege)
  same([state(error), error.cause.result.error_field(PG::PG_DIAG_MESSAGE_HINT).start_with?(HINT)], ["42501", true])
  same(state(raises(REFUSED) { Purpose.for("service", Idle) { ids(IdleCustomer) } }), "42501")
end

check(:types) do
  require_relative "every"
  odd = Every.attribute_names.find { |name| name.start_with?("odd") }
  row = Every.find(1)
  same([row.yes, row.tags, row.mood, row.bounded.to_s, row.fixed, row.doc, row[odd]],
    [false, %w[a b], "so so", "12345.678", "fix", { "a" => 1 }, "odd"])
  row.update!(odd => "changed")
  made = Every.create!(plain: "new").reload
  same([Every.find_by(odd => "changed").id, made.twice], [1, "newnew"])
end
