#!/bin/bash
# The clients named, one after the other, against a private server; for
# suite_clients in lib.sh, as the tests' user.  A line "ok - CLIENT: CHECK: ...",
# "not ok - ..." or "skipped - ..." for each check of checks.txt.
#
# For each client: the code of its page in docs/howto is taken out of it; its
# example is run on a fresh shop and must print what the page says; what
# orm_model() prints must be on the page; test_CLIENT is run on a fresh shop;
# then the record of use is looked at.
set -u
cd "$PZ_TREE" || exit 1
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/clients/versions.sh
PZ_PORT=$((20000 + RANDOM % 20000))
PZ_LISTEN=127.0.0.1
here=$PZ_TREE/test/clients
driver=/usr/share/java/postgresql.jar
jpa=/usr/share/java/eclipselink.jar:/usr/share/java/eclipselink-jpa-2.1-spec.jar:$driver
hibernate=$(printf '/usr/share/java/%s.jar:' hibernate3 hibernate-entitymanager hibernate-commons-annotations geronimo-jpa_2.0_spec geronimo-jta-1.2-spec slf4j-api \
	slf4j-nop dom4j antlr commons-collections3 javassist)$driver
failed=0

psql_()
{
	pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

said()
{
	sed -n "s/^$1	//p" "$here/checks.txt"
}

not_ok()
{
	echo "not ok - $client: $1: $(said "$1")"
	failed=1
}

# The blocks of a page that begin with ```LANGUAGE FILE, as files.
extract()
{
	mkdir -p "$2/shop" "$2/META-INF"
	awk -v to="$2/" '/^```[a-z]+ [^ ]+$/ { file = to $2; next } /^```$/ { file = "" } file != "" { print > file }' "$1"
}

fresh_shop()
{
	psql_ -c 'DROP DATABASE IF EXISTS shop' -c 'CREATE DATABASE shop' && PZ_DATABASE=shop psql_ -c 'CREATE EXTENSION personalize' -f "$setup/shop.sql" -f "$here/every.sql" -o /dev/null
}

# Why a client cannot run here; nothing if it can.
missing()
{
	case $1 in
		psycopg) /usr/bin/python3 -c 'import psycopg, psycopg_pool' 2>&1 | tail -n 1 ;;
		psycopg2) /usr/bin/python3 -c 'import psycopg2' 2>&1 | tail -n 1 ;;
		sqlalchemy) /usr/bin/python3 -c 'import psycopg2, sqlalchemy' 2>&1 | tail -n 1 ;;
		django) /usr/bin/python3 -c 'import django; import psycopg2' 2>&1 | tail -n 1 ;;
		activerecord)
			if ! command -v /usr/bin/ruby >/dev/null; then
				echo 'there is no ruby'
			else
				/usr/bin/ruby -e 'begin; require "active_record"; require "pg"; rescue LoadError => e; puts e.message; end'
			fi
			;;
		jdbc)
			if ! command -v javac >/dev/null || ! command -v java >/dev/null || ! [ -e "$driver" ]; then
				echo 'there is no JDK, or no JDBC driver'
			fi
			;;
		jpa)
			if ! command -v javac >/dev/null || ! command -v java >/dev/null || ! [ -e "$driver" ] || ! [ -e "${jpa%%:*}" ]; then
				echo 'there is no JDK, no JDBC driver, or no EclipseLink'
			fi
			;;
		hibernate)
			if ! command -v javac >/dev/null || ! command -v java >/dev/null || ! [ -e "$driver" ] || ! [ -e "${hibernate%%:*}" ]; then
				echo 'there is no JDK, no JDBC driver, or no Hibernate'
			fi
			;;
		*)
			if [ -n "$CLIENTS_NPM_WHY" ]; then
				echo "$CLIENTS_NPM_WHY"
			elif ! [ -d "$CLIENTS_NPM/node_modules" ]; then
				echo 'its packages were not fetched'
			fi
			;;
	esac
}

# In the client's directory: the model of shop.every, as a file of its own.
every_model()
{
	local file before=''

	case $client in
		django) file=shop/every.py ;;
		sqlalchemy)
			file=every.py
			before='from models import Base'
			;;
		activerecord) file=every.rb ;;
		jdbc | jpa | hibernate) file=Every.java ;;
		knex) file=every.ts ;;
		drizzle | sequelize | typeorm) file=every.mjs ;;
		prisma) file=every.prisma ;;
		*) return 0 ;;
	esac
	{
		[ -z "$before" ] || echo "$before"
		PZ_DATABASE=shop psql_ -c "SET ROLE shop_app" -c "SELECT personalize.orm_model('$client', 'shop.every')"
	} >"$file"
}

# In the client's directory: what it needs before anything runs.
build()
{
	case $client in
		jdbc)
			rm TestJpa.java && javac -cp "$driver" -d . ./*.java
			;;
		jpa) build_jpa ;;
		hibernate) build_hibernate ;;
		knex) node node_modules/typescript/lib/tsc.js --noEmit --strict --skipLibCheck --target es2022 --module nodenext --allowImportingTsExtensions ./*.ts ;;
		prisma) build_prisma ;;
	esac
}

# Two more entities: a view that shows everybody, and every type. Debian's providers know JPA by its former name.
build_entities()
{
	rm TestJdbc.java && cp "$here/provider/$1.java" Provider.java && sed 's/MarketingCustomer/ServiceCustomer/; s/"marketing"/"service"/' MarketingCustomer.java >ServiceCustomer.java &&
		sed -i 's/^import jakarta\./import javax./' ./*.java &&
		sed -i 's#<class>MarketingCustomer</class>#&<class>ServiceCustomer</class><class>Every</class>#' META-INF/persistence.xml
}

# Debian's EclipseLink knows no uuid yet.
build_jpa()
{
	build_entities EclipseLink && sed -i '/ident/d; /Ident/d' Every.java && javac -cp "$jpa" -d . ./*.java
}

# Debian's Hibernate is of the time before java.time, and has another name for @DynamicUpdate; uuid and arrays it does not know.
build_hibernate()
{
	local name relation

	for name in Customer MarketingCustomer; do
		relation=shop.customer
		[ $name = Customer ] || relation=marketing.customer
		PZ_DATABASE=shop psql_ -c "SET ROLE shop_app" -c "SELECT personalize.orm_model('hibernate', '$relation')" >$name.java || return
	done
	build_entities Hibernate &&
		sed -i '/^import org.hibernate.annotations.Dynamic/d; /^@DynamicInsert$/d; s/^@DynamicUpdate$/@org.hibernate.annotations.Entity(dynamicInsert = true, dynamicUpdate = true)/
			s/java\.time\.OffsetDateTime/java.util.Date/; s/^\t@Column(name = "\(joined\|moment\)"/\t@Temporal(TemporalType.TIMESTAMP)\n&/' Customer.java MarketingCustomer.java ServiceCustomer.java Every.java &&
		sed -i -E '/\b(ident|day|clock|stamp|tags|numbers)\b/d; /[gs]et(Ident|Day|Clock|Stamp|Tags|Numbers)\(/d' Every.java &&
		sed -i 's#http://xmlns.jcp.org/xml/ns/persistence#http://java.sun.com/xml/ns/persistence#; s#version="2.1"#version="2.0"#' META-INF/persistence.xml &&
		javac -cp "$hibernate" -d . ./*.java
}

# The client is made of the schema of the page and what the tests add to it. The engine is for migrations only, and is not fetched.
build_prisma()
{
	{ sed 's/^model Customer {$/&\n  purchases Purchase[]/' schema.prisma && cat test_prisma.prisma every.prisma; } >all.prisma &&
		PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1 node node_modules/prisma/build/index.js generate --schema all.prisma
}

in_shop()
{
	PZ_DATABASE=shop pz_client timeout 240 "$@"
}

example()
{
	case $client in
		psycopg | sqlalchemy | django) in_shop /usr/bin/python3 example.py ;;
		psycopg2) in_shop /usr/bin/python3 example2.py ;;
		activerecord) in_shop /usr/bin/ruby example.rb ;;
		jpa) in_shop java -Declipselink.logging.level=OFF -cp ".:$jpa" Example "jdbc:postgresql://127.0.0.1:$PZ_PORT/shop?user=shop_app" ;;
		hibernate) in_shop java -cp ".:$hibernate" Example "jdbc:postgresql://127.0.0.1:$PZ_PORT/shop?user=shop_app" ;;
		jdbc) in_shop java -cp ".:$driver" Example "jdbc:postgresql://127.0.0.1:$PZ_PORT/shop?user=shop_app" ;;
		*) in_shop node example.mjs ;;
	esac
}

tests()
{
	case $client in
		psycopg | psycopg2 | sqlalchemy | django) in_shop /usr/bin/python3 "test_$client.py" ;;
		activerecord) in_shop /usr/bin/ruby test_activerecord.rb ;;
		jpa) in_shop java -cp ".:$jpa" TestJpa "jdbc:postgresql://127.0.0.1:$PZ_PORT/shop" ;;
		hibernate) in_shop java -cp ".:$hibernate" TestJpa "jdbc:postgresql://127.0.0.1:$PZ_PORT/shop" ;;
		jdbc) in_shop java -cp ".:$driver" TestJdbc "jdbc:postgresql://127.0.0.1:$PZ_PORT/shop" ;;
		*) in_shop node "test_$client.mjs" ;;
	esac
}

# What orm_model() prints, without its imports, must be in one of the files of the page.
model_check()
{
	local relation printed

	for relation in shop.customer marketing.customer; do
		printed=$(PZ_DATABASE=shop psql_ -c "SET ROLE shop_app" -c "SELECT personalize.orm_model('$client', '$relation')" |
			sed -n '/^\(class\|#\|\/\/\|export\|model\|public\|enum\)/,$p')
		# its page shows the model of JPA, and says how this one differs
		[ "$client" != hibernate ] || printed=$(sed '/^@DynamicInsert$/d; /^@DynamicUpdate$/d; s/^\(\t@Column(name = "joined"\))$/\1, insertable = false)/' <<<"$printed")
		if [ -z "$printed" ] || ! PRINTED=$printed perl -0777 -ne '$found = 1 if index($_, $ENV{PRINTED}) >= 0; END { exit !$found }' "${files[@]}"; then
			not_ok model
			echo "# orm_model() prints for $relation:"
			printf '%s\n' "$printed" | sed 's/^/# /'
			return
		fi
	done
	echo "ok - $client: model: $(said model)"
}

# Who is on record for marketing: those who agreed; and the chain holds.
record_check()
{
	local found

	found=$(PZ_DATABASE=shop psql_ -c 'SELECT personalize.audit_sync()' \
		-c "SELECT string_agg(DISTINCT s.subject, ' ' ORDER BY s.subject) FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s
			WHERE u.purpose = 'marketing' AND u.db_role = 'shop_app'" \
		-c "SELECT string_agg(DISTINCT s.subject, ' ' ORDER BY s.subject) FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s WHERE u.db_role = 'shop_news'" \
		-c 'SELECT ok FROM personalize.verify_audit()' 2>&1 | sed '/^$/d')
	if [ "$found" = $'1 2 3 4 5\n1 2 3 4 5\nt' ]; then
		echo "ok - $client: record: $(said record)"
	else
		not_ok record
		echo "# found: $found"
	fi
}

run_client()
{
	local work=$PZ_TMP/clients/$client why page=$client expected=example.out name
	local -a files

	why=$(missing "$client")
	if [ -n "$why" ]; then
		echo "skipped - $client: $why"
		return
	fi
	case $client in
		psycopg2)
			page=psycopg
			expected=example2.out
			;;
		hibernate) page=jpa ;;
	esac
	extract "docs/howto/$page.md" "$work"
	mapfile -t files < <(find "$work" -type f)
	# whose build has another model in their place
	[ "$client" != hibernate ] || files=("$PZ_TREE/docs/howto/$page.md")
	cp test/clients/checks.txt test/clients/lib/* test/clients/[Tt]est* "$work/"
	[ -z "$CLIENTS_NPM" ] || ln -sfn "$CLIENTS_NPM/node_modules" "$work/node_modules"
	cd "$work" || return
	if ! fresh_shop >build.log 2>&1 || ! every_model 2>>build.log || ! build >>build.log 2>&1; then
		not_ok howto
		sed 's/^/# /' build.log
	elif ! example >printed 2>printed.err || ! cmp -s printed "$expected"; then
		not_ok howto
		diff "$expected" printed | sed 's/^/# /'
		tail -n 20 printed.err | sed 's/^/# /'
	else
		echo "ok - $client: howto: $(said howto)"
	fi
	fresh_shop >>build.log 2>&1 || sed 's/^/# /' build.log
	# for seeing the checks red: SQL that breaks what they look at
	[ -z "${CLIENTS_BREAK:-}" ] || PZ_DATABASE=shop psql_ -o /dev/null -c "$CLIENTS_BREAK"
	tests >tests.log 2>tests.err
	echo "# exit status $?" >>tests.err
	cat tests.log
	if grep -q '^not ok' tests.log; then
		failed=1
	fi
	if ! grep -q " - $client: model: " tests.log; then
		model_check
	fi
	record_check
	# every check once
	while IFS=$'\t' read -r name _; do
		case $name in '#'* | howto | model | record) continue ;; esac
		if [ "$(grep -cE "^(ok|not ok|skipped) - $client: $name: " tests.log)" != 1 ]; then
			echo "not ok - $client: $name: not done, or more than once"
			failed=1
			[ ! -s tests.err ] || tail -n 20 tests.err | sed 's/^/# /'
			: >tests.err
		fi
	done <checks.txt
	cd "$PZ_TREE" || return
}

# Prints what run_client does, how many checks passed, and with which versions.
counted()
{
	local log=$PZ_TMP/clients/counted

	run_client >"$log" 2>&1
	cat "$log"
	! grep -q '^ok - ' "$log" || printf '%-12s %d checks passed%s with %s\n' "$client" "$(grep -c '^ok - ' "$log")" \
		"$(awk '/^not ok - /{n++} /^skipped - /{s++} END {if (n) printf ", %d not", n; if (s) printf ", %d skipped", s}' "$log")" "$(versions "$client")"
}

pz_cluster_start clients || exit 1
setup=$PZ_TMP/clients/setup
extract docs/howto/README.md "$setup"
psql_ -f "$setup/roles.sql" || exit 1
echo "server       PostgreSQL $(psql_ -c 'SHOW server_version'), personalize $(psql_ -c "SELECT default_version FROM pg_available_extensions WHERE name = 'personalize'")"
for client in "$@"; do
	counted
done
pz_cluster_stop
exit $failed
