# personalize: see CONTRIBUTING.md for the targets.
#
#   make, make install, make installcheck   as with every extension; the check
#                                           runs on private servers of its own
#   make test, make demo                    do everything from a bare Debian on
#   make lint                               needs no PostgreSQL
#
# PG_CONFIG=... picks the PostgreSQL; WERROR=1 makes warnings errors.

EXTENSION = personalize
EXTVERSION = 0.1.0
MODULE_big = personalize
PGFILEDESC = "personalize - purpose, consent, audit and erasure"

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))

# The install script is composed: tables, then code, then what goes over all
# of it.  Built under a name no test can have, because pg_regress takes
# ./sql/NAME.sql before test/sql/NAME.sql.
SQL_LAST = sql/tables/90_dump.sql sql/code/80_grants.sql
SQL_PARTS = sql/header.sql \
	$(filter-out $(SQL_LAST),$(sort $(wildcard sql/tables/*.sql))) \
	$(filter-out $(SQL_LAST),$(sort $(wildcard sql/code/*.sql))) \
	$(SQL_LAST)
SQL_INSTALL = sql/$(EXTENSION)--$(EXTVERSION).sql
# The way from earlier releases is composed, too: what changes in the tables
# since (sql/update/RELEASE.sql), then all code once more, and what goes over
# all of it.
UPDATE_DIR = sql/update
SQL_UPDATES = $(patsubst $(UPDATE_DIR)/%.sql,sql/$(EXTENSION)--%--$(EXTVERSION).sql,$(sort $(wildcard $(UPDATE_DIR)/*.sql)))
DATA_built = $(SQL_INSTALL) $(SQL_UPDATES)
# Frozen scripts of earlier releases, and the ways between them
DATA = $(sort $(wildcard sql/release/*.sql))

# Every test file is a test; 00_ sorts first, 99_ must be told to be last.
REGRESS_ALL = $(sort $(notdir $(basename $(wildcard test/sql/*.sql))))
REGRESS = $(filter-out 99_%,$(REGRESS_ALL)) $(filter 99_%,$(REGRESS_ALL))
ISOLATION = $(sort $(notdir $(basename $(wildcard test/specs/*.spec))))
REGRESS_OPTS = --inputdir=test --temp-instance=./tmp_check/regress --temp-config=test/personalize.conf
ISOLATION_OPTS = --inputdir=test --outputdir=. --temp-instance=./tmp_check_iso --temp-config=test/personalize.conf
REGRESS_PREP = check-user
ENCODING = UTF8
NO_LOCALE = 1
PROVE_TESTS = $(sort $(wildcard test/t/*.pl))
ifneq ($(PROVE_TESTS),)
TAP_TESTS = 1
endif

PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-clobbered
# The library knows its version and serves SQL objects of the same one only.
PG_CPPFLAGS = -DPZ_VERSION='"$(EXTVERSION)"'
# PostgreSQL 15 declares functions as f(), which says nothing of arguments before
# C23, the default from GCC 15 on, and after it that there are none.
PG_CFLAGS += $(if $(filter 15,$(MAJORVERSION)),-std=gnu17)
ifdef WERROR
PG_CFLAGS += -Werror
endif
EXTRA_CLEAN = src/*.bc results regression.diffs regression.out tmp_check tmp_check_iso output_iso log test_output

# No bitcode: neither clang nor llvm is needed to build.
override with_llvm := no

PG_CONFIG ?= $(shell test/lib/pg_config.sh)
PGXS := $(if $(PG_CONFIG),$(shell $(PG_CONFIG) --pgxs 2>/dev/null))

ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
.PHONY: all install installcheck uninstall clean no-pgxs
.DEFAULT_GOAL := all
all install installcheck uninstall: no-pgxs
no-pgxs:
	@echo 'No PostgreSQL to build for was found (pg_config with its server headers).' >&2
	@echo 'On Debian: apt-get install gcc postgresql-server-dev-15 (or -17, -18);' >&2
	@echo 'elsewhere: make PG_CONFIG=/path/to/pg_config. "make test" and "make demo" install what they need.' >&2
	@false
clean:
	rm -f src/*.o src/*.bc personalize.so $(SQL_INSTALL) $(SQL_UPDATES)
	rm -rf $(EXTRA_CLEAN)
endif

$(OBJS): $(wildcard src/*.h) Makefile

# CREATE, never CREATE OR REPLACE, in an install script: whoever may create
# objects in the schema beforehand must not get them into the extension.
$(SQL_INSTALL): $(SQL_PARTS) Makefile
	cat $(SQL_PARTS) | sed -E 's/^CREATE OR REPLACE /CREATE /' > $@.tmp
	mv $@.tmp $@

# CREATE OR REPLACE here: PostgreSQL refuses to replace what is not the extension's.
sql/$(EXTENSION)--%--$(EXTVERSION).sql: $(UPDATE_DIR)/%.sql $(SQL_PARTS) Makefile
	cat sql/header.sql $< $(filter sql/code/%,$(filter-out $(SQL_LAST),$(SQL_PARTS))) $(SQL_LAST) > $@.tmp
	mv $@.tmp $@

.PHONY: test check-clients demo bench check-deep lint list-tests check-user dist deb objects

test:
	@test/run.sh

# Real clients: psycopg, Django, Prisma and others. Fetches them.
check-clients:
	@test/run.sh build clients

demo:
	@test/demo.sh

# Hours: see the head of the script.
check-deep:
	@test/deep.sh

# Figures, on private servers; minutes each.  See the head of each script.
bench:
	@test/bench/work.sh
	@test/bench/point.sh

# docs/objects.md, from the comments in the database
objects:
	@ACCEPT=1 TESTS=objects test/run.sh build extra >/dev/null || TESTS=objects test/run.sh build extra

# What PGXN takes, from the commit: the same bytes whoever makes it.
dist:
	@git diff --quiet HEAD -- || { echo 'There are changes that are not committed.' >&2; exit 1; }
	TZ=UTC git archive --format=zip --prefix=$(EXTENSION)-$(EXTVERSION)/ -o $(EXTENSION)-$(EXTVERSION).zip HEAD

# Debian's packages, one for each PostgreSQL of this machine's Debian, beside this
# directory: debian/control is written anew for these first.
deb:
	pg_buildext updatecontrol
	env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES dpkg-buildpackage -us -uc -b

lint:
	@test/lint/run_all.sh

list-tests:
	@printf '%s\n' $(patsubst %,regress/%,$(REGRESS)) $(patsubst %,isolation/%,$(ISOLATION)) $(patsubst %,tap/%,$(PROVE_TESTS))

check-user:
	@if [ "$$(id -u)" = 0 ]; then \
		echo 'PostgreSQL does not start as root: run "make installcheck" as another user, or "make test".' >&2; exit 1; fi
	@if [ ! -w . ]; then \
		echo 'This directory is not writable for you: use "make test", which works in a copy.' >&2; exit 1; fi
	@mkdir -p tmp_check
