# shellcheck shell=bash
# Sourced by test/deep.sh: messages of the audit and their HMAC, by libFuzzer.

step_fuzz()
{
	local work config lib

	pz_say 'fuzz'
	if command -v clang >/dev/null && echo 'int LLVMFuzzerTestOneInput(const char *d, long n) {return 0;}' | clang -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null; then
		work=$(mktemp -d)
		config=$(pz_pg_config)
		lib=$(dirname "$(find "$("$config" --libdir)" "$("$config" --pkglibdir)" -name libpgcommon.a | head -n 1)")
		clang -g -O1 -w -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I "$("$config" --includedir-server)" -I src -o "$work/messages" \
			test/fuzz/messages.c src/audit_msg.c "$lib/libpgcommon.a" "$lib/libpgport.a" \
			"-l:$(ldconfig -p | sed -n 's/^\s*\(libcrypto\.so\.[0-9.]*\) .*/\1/p' | head -n 1)" -lm 2>"$work/log" || cat "$work/log"
		mkdir "$work/corpus"
		if "$work/messages" -max_total_time="${FUZZ_SECONDS:-120}" -max_len=8192 -print_final_stats=1 "$work/corpus" >"$work/log" 2>&1; then
			passed=$((passed + 1))
			grep -E 'number_of_executed_units|new_units_added' "$work/log"
		else
			failed=$((failed + 1))
			tail -n 40 "$work/log"
		fi
		rm -rf "$work"
	else
		pz_say 'fuzz: left out, there is no clang with its libFuzzer'
	fi
}
