# shellcheck shell=bash
# Sourced by suite.sh: what a client is made of, on one line.
#
#	versions CLIENT		"Django 4.2.28, psycopg 3.2.6, Python 3.13.5"
#
# As they say themselves; CLIENTS_NPM, driver, jpa and hibernate are set.

versions()
{
	case $1 in
		psycopg) of_python psycopg psycopg_pool ;;
		psycopg2) of_python psycopg2 ;;
		sqlalchemy) of_python sqlalchemy psycopg2 ;;
		# it takes the newest driver that it knows and finds
		django) of_python django "$(/usr/bin/python3 -c 'import django.db.backends.postgresql.base as b; print(b.Database.__name__)')" ;;
		activerecord)
			/usr/bin/ruby -e 'require "active_record"; require "pg"; puts "ActiveRecord #{ActiveRecord.version}, pg #{PG::VERSION}, Ruby #{RUBY_VERSION}"'
			;;
		jdbc) of_java ;;
		jpa) of_java "EclipseLink $(java -cp "$jpa" org.eclipse.persistence.Version | sed -n 's/.*Build Version: *\([0-9.]*[0-9]\).*/\1/p')" ;;
		hibernate) of_java "Hibernate $(dpkg-query -W -f '${Version}' libhibernate3-java | sed 's/-[^-]*$//')" ;;
		node-pg) of_node pg pg-cursor ;;
		prisma) of_node prisma @prisma/adapter-pg pg ;;
		drizzle) of_node drizzle-orm pg ;;
		*) of_node "$1" pg ;;
	esac 2>&1 | paste -sd ' '
}

of_python()
{
	/usr/bin/python3 -c '
import platform, sys
from importlib import import_module
for name in sys.argv[1:]:
	print(name, str(import_module(name).__version__).split()[0], end=", ")
print("Python", platform.python_version())' "$@"
}

of_java()
{
	printf '%s' "${1:+$1, }"
	java -cp "$driver" org.postgresql.util.PGJDBCMain | sed -n 's/^PostgreSQL JDBC Driver \([0-9.]*\).*/pgJDBC \1,/p' | head -n 1
	java -version 2>&1 | sed -n '1s/^[^"]*"\([^"]*\)".*/Java \1/p'
}

of_node()
{
	local name

	for name in "$@"; do
		printf '%s %s, ' "$name" "$(sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "$CLIENTS_NPM/node_modules/$name/package.json" | head -n 1)"
	done
	node --version | sed 's/^v/node /'
}
