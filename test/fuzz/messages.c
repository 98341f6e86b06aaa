/*-------------------------------------------------------------------------
 *
 * messages.c
 *	  Fuzzes the reading of messages of the audit, and their HMAC.
 *
 * audit_msg.c as it is, with the HMAC of PostgreSQL's library and a fixed key.
 * Each input is taken three ways:
 *
 * - as the body of a message whose HMAC is right: reading it must touch nothing
 *	 outside of it, and what it takes for a message must have whole strings and
 *	 ascending numbers;
 * - as what goes into a message that is written: it must be read back the same;
 * - as a change of such a message, of any of its bits: it must be refused.
 *
 * For libFuzzer (clang -fsanitize=fuzzer,...), or with a driver of its own
 * (-DDRIVER) that mutates pseudo-random input from a seed:
 * messages ROUNDS [SEED].  Sanitizers find what is wrong inside; what is wrong
 * otherwise aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"

#include "audit_msg.h"

static const uint8 key[32] = {1, 2, 3};
static void *allocated[64];
static int	nallocated = 0;

int			LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* What audit_msg.c takes from the server and from other files. */
void *
palloc(Size size)
{
	void	   *chunk = malloc(size);

	if (chunk == NULL || nallocated == lengthof(allocated))
		abort();
	return allocated[nallocated++] = chunk;
}

int
pg_mbcliplen(const char *mbstr, int len, int limit)
{
	return Min(len, limit);
}

bool
pg_verifymbstr(const char *mbstr, int len, bool noError)
{
	return true;
}

void
ExceptionalCondition(const char *conditionName,
#if PG_VERSION_NUM < 160000
					 const char *errorType,
#endif
					 const char *fileName, int lineNumber)
{
	fprintf(stderr, "%s:%d: %s\n", fileName, lineNumber, conditionName);
	abort();
}

bool
pz_keys_mac(const void *data, size_t len, uint8 out[PZ_MAC_LEN])
{
	pg_hmac_ctx *ctx = pg_hmac_create(PG_SHA256);
	bool		ok = ctx != NULL && pg_hmac_init(ctx, key, sizeof(key)) >= 0 &&
		pg_hmac_update(ctx, (const uint8 *) data, len) >= 0 && pg_hmac_final(ctx, out, PZ_MAC_LEN) >= 0;

	pg_hmac_free(ctx);
	return ok;
}

bool
pz_keys_verify(const void *data, size_t len, const uint8 mac[PZ_MAC_LEN])
{
	uint8		computed[PZ_MAC_LEN];

	return pz_keys_mac(data, len, computed) && memcmp(computed, mac, PZ_MAC_LEN) == 0;
}

bool
pz_keys_digest(int32 kind_id, const char *text, size_t len, uint8 out[PZ_MAC_LEN])
{
	return pz_keys_mac(text, len, out);
}

static void
require(bool ok, const char *what)
{
	if (!ok)
	{
		fprintf(stderr, "not so: %s\n", what);
		abort();
	}
}

static void
forget(void)
{
	while (nallocated > 0)
		free(allocated[--nallocated]);
}

/* Read every byte of a message, so that a sanitizer sees what is not there. */
static void
look_at(const PzMsg *msg, const char *data, size_t len)
{
	static const size_t strings[] = {
		offsetof(PzMsgIntent, role_name), offsetof(PzMsgIntent, session_role_name), offsetof(PzMsgIntent, purpose_name),
		offsetof(PzMsgIntent, legal_basis), offsetof(PzMsgIntent, relation_name), offsetof(PzMsgIntent, columns),
		offsetof(PzMsgIntent, categories), offsetof(PzMsgIntent, query), offsetof(PzMsgIntent, reason), offsetof(PzMsgIntent, app_user),
		offsetof(PzMsgIntent, application_name), offsetof(PzMsgIntent, client_addr), offsetof(PzMsgIntent, context)
	};
	size_t		total = 0;
	int			i;

	for (i = 0; i < (int) lengthof(strings); i++)
	{
		const char *string = *(const char *const *) ((const char *) &msg->intent + strings[i]);

		if (string)
		{
			require(string >= data && string + strlen(string) < data + len, "a string is within the message");
			total += strlen(string);
		}
	}
	require(total < len, "all strings fit the message");
	for (i = 0; i < msg->nnumbers; i++)
		require(msg->numbers[i] > (i ? msg->numbers[i - 1] - 1 : 0), "numbers ascend");
	for (i = 0; i < msg->nkeys; i++)
		require(msg->keys[i].key >= data && msg->keys[i].key + strlen(msg->keys[i].key) < data + len, "a key is within the message");
}

/* A piece of the input as a string that can be written, or NULL. */
static const char *
take(const uint8 **data, size_t *size, char *into, size_t max)
{
	size_t		n = 0;
	size_t		want;

	if (*size < 2)
		return NULL;
	want = ((*data)[0] | (*data)[1] << 8) % max;
	*data += 2;
	*size -= 2;
	while (n < want && n < *size && (*data)[n] != 0)
	{
		into[n] = (char) (*data)[n];
		n++;
	}
	into[n] = '\0';
	*data += n;
	*size -= n;
	return n == 0 ? NULL : into;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static PzMsgBuf buf;
	static char purpose[300];
	static char query[20000];
	PzMsgHeader header;
	PzMsgIntent intent;
	PzMsg		msg;
	char	   *copy;
	size_t		len = Min(size, PZ_MSG_MAX - PZ_MAC_LEN);
	size_t		place;

	/* as a body: in a chunk of just its size */
	copy = malloc(len + PZ_MAC_LEN);
	memcpy(copy, data, len);
	if (!pz_keys_mac(copy, len, (uint8 *) copy + len))
		abort();
	if (pz_msg_read(copy, len + PZ_MAC_LEN, &msg))
		look_at(&msg, copy, len);
	forget();
	/* the same with a header that is right, so that more of it is reached */
	memset(&header, 0, sizeof(header));
	header.magic = PZ_MSG_MAGIC;
	header.version = PZ_MSG_VERSION;
	header.type = size > 0 ? data[0] % 12 : 0;
	header.session_id = 7;
	header.seq = 1;
	if (len >= sizeof(header))
	{
		memcpy(copy, &header, sizeof(header));
		if (!pz_keys_mac(copy, len, (uint8 *) copy + len))
			abort();
		if (pz_msg_read(copy, len + PZ_MAC_LEN, &msg))
			look_at(&msg, copy, len);
		forget();
	}
	free(copy);

	/* as what is written */
	memset(&intent, 0, sizeof(intent));
	intent.started_at = (TimestampTz) size;
	intent.purpose_id = size > 0 ? data[0] : 0;
	intent.role_name = "r";
	intent.purpose_name = take(&data, &size, purpose, 255);
	intent.query = take(&data, &size, query, 16000);
	header.type = PZ_MSG_INTENT;
	pz_msg_start(&buf, &header);
	pz_msg_put_intent(&buf, 42, &intent);
	require(pz_msg_finish(&buf), "what fits is finished");
	copy = malloc(buf.len);
	memcpy(copy, buf.data, buf.len);
	require(pz_msg_read(copy, buf.len, &msg), "what was written is read");
	require(msg.use_no == 42 && msg.intent.purpose_id == intent.purpose_id && msg.intent.started_at == intent.started_at &&
			same(msg.intent.role_name, "r") && same(msg.intent.purpose_name, intent.purpose_name) && same(msg.intent.query, intent.query) &&
			msg.intent.reason == NULL, "what is read is what was written");

	/* changed anywhere, cut off or made longer, it is nothing */
	place = (size_t) (intent.started_at * 2654435761U + intent.purpose_id) % buf.len;
	copy[place] ^= (char) (1 << (place % 8));
	require(!pz_msg_read(copy, buf.len, &msg), "a changed message is refused");
	copy[place] ^= (char) (1 << (place % 8));
	require(!pz_msg_read(copy, buf.len - 1 - place % 40, &msg), "a message that was cut off is refused");
	free(copy);
	forget();
	return 0;
}

#ifdef DRIVER
int
main(int argc, char **argv)
{
	long		rounds = argc > 1 ? atol(argv[1]) : 100000;
	uint64		state = argc > 2 ? strtoull(argv[2], NULL, 10) : 20261129;
	static uint8 data[4096];
	size_t		size = 0;
	long		i;

	for (i = 0; i < rounds; i++)
	{
		int			changes;

		/* xorshift64 */
#define NEXT() (state ^= state << 13, state ^= state >> 7, state ^= state << 17)
		if (i % 16 == 0)
		{
			size = NEXT() % sizeof(data);
			memset(data, 0, sizeof(data));
		}
		/* lengths are small numbers: zeros with some bytes set are nearer to messages than noise is */
		for (changes = NEXT() % 24; changes > 0; changes--)
			data[NEXT() % sizeof(data)] = (uint8) (NEXT() % 3 == 0 ? NEXT() : NEXT() % 8);
		LLVMFuzzerTestOneInput(data, size);
	}
	printf("%ld rounds\n", rounds);
	return 0;
}
#endif
