#!/bin/bash
# Fuzzes the reading of messages of the audit under sanitizers: pseudo-random
# input from a seed, the same every time.  "test/deep.sh fuzz" looks for new.
set -eu
. test/lib/bootstrap.sh
dir=$PZ_WORK/fuzz
mkdir "$dir"
libpgcommon=$(find "$("$PG_CONFIG" --libdir)" "$("$PG_CONFIG" --pkglibdir)" -name libpgcommon.a 2>/dev/null | head -n 1)
libpgport=$(find "$("$PG_CONFIG" --libdir)" "$("$PG_CONFIG" --pkglibdir)" -name libpgport.a 2>/dev/null | head -n 1)
if [ -z "$libpgcommon" ] || [ -z "$libpgport" ]; then
	echo 'this PostgreSQL has no libpgcommon.a'
	exit 77
fi
libs=''
for lib in crypto; do
	if nm "$libpgcommon" 2>/dev/null | grep -q ' U HMAC_Init_ex'; then libs="-l:$(ldconfig -p | sed -n "s/^\s*\(lib$lib\.so\.[0-9.]*\) .*/\1/p" | head -n 1)"; fi
done
build()
{
	# shellcheck disable=SC2086
	gcc -g -O1 -w -fsanitize=address,undefined -fno-sanitize-recover=all -DDRIVER "$@" -I "$("$PG_CONFIG" --includedir-server)" -I src \
		-o "$dir/messages" test/fuzz/messages.c "$dir/audit_msg.c" "$libpgcommon" "$libpgport" $libs -lm >"$dir/log" 2>&1
}
cp src/audit_msg.c "$dir/"
if ! build; then
	tail -n 5 "$dir/log"
	echo 'cannot build with sanitizers'
	exit 77
fi
"$dir/messages" 200000
# it must find something where something is wrong: a length that nobody compares with what is left
sed -i 's/if (len >= cursor->left || /if (/' "$dir/audit_msg.c"
if cmp -s src/audit_msg.c "$dir/audit_msg.c"; then
	echo 'audit_msg.c has changed: let this break it otherwise'
	exit 1
fi
build
if "$dir/messages" 200000 >"$dir/out" 2>&1; then
	echo 'a length that is not checked was not found'
	exit 1
fi
echo '200000 rounds, and a broken reader is found'
