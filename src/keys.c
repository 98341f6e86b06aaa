/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  The secret keys of this cluster and what is computed with them.
 *
 * The key file holds keys of 32 bytes in hex, one a line:
 *
 *	  audit <64 hex digits>		authenticates messages of the audit in the WAL,
 *								since any role may call pg_logical_emit_message,
 *								and the position up to which they were read
 *	  audit_previous <64 ...>	the same before it was changed: what it has signed
 *								is still believed; may be missing
 *	  subject <64 hex digits>	hides the keys of erased subjects in tombstones
 *
 * It is read once by the postmaster, before it drops into its main loop; all
 * processes inherit the keys.  No lock is needed.
 *
 * pg_hmac remembers its contexts in CurrentResourceOwner, which is NULL
 * outside a transaction and releases them at its end.  Ours live as long as
 * the process, so they get a resource owner that nobody releases.  The key is
 * given each time: reusing the key schedule by a NULL key works with OpenSSL
 * only, and would authenticate with an empty key elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hmac.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/resowner.h"

#include "guc.h"
#include "keys.h"

#define PZ_KEY_LEN		32
#define PZ_KEY_FILE_MAX	1024	/* a longer file is malformed */

static uint8 audit_key[PZ_KEY_LEN];
static uint8 previous_key[PZ_KEY_LEN];
static uint8 subject_key[PZ_KEY_LEN];
static bool has_previous = false;
static bool keys_loaded = false;
static pg_hmac_ctx *hmac = NULL;

/*
 * Write len bytes as hex digits and a newline after word and a blank.
 */
static int
pz_keys_format(char *line, size_t size, const char *word, const uint8 *key)
{
	int			n = snprintf(line, size, "%s ", word);
	int			i;

	for (i = 0; i < PZ_KEY_LEN; i++)
		n += snprintf(line + n, size - n, "%02x", key[i]);
	n += snprintf(line + n, size - n, "\n");
	return n;
}

/*
 * What follows "word " at the start of a line; NULL if there is no such line.
 */
static const char *
pz_keys_line(const char *text, const char *word)
{
	size_t		wlen = strlen(word);
	const char *line = text;

	while (strncmp(line, word, wlen) != 0 || line[wlen] != ' ')
	{
		line = strchr(line, '\n');
		if (line == NULL)
			return NULL;
		line++;
	}
	return line + wlen + 1;
}

/*
 * Find "word <64 hex digits>" at the start of a line.  False if it is not
 * there or not well-formed.
 */
static bool
pz_keys_scan(const char *text, const char *word, uint8 *key)
{
	const char *line = pz_keys_line(text, word);
	int			i;

	if (line == NULL)
		return false;
	for (i = 0; i < PZ_KEY_LEN * 2; i++)
	{
		char		c = line[i];
		int			v;

		if (c >= '0' && c <= '9')
			v = c - '0';
		else if (c >= 'a' && c <= 'f')
			v = c - 'a' + 10;
		else
			return false;
		key[i / 2] = (uint8) ((i % 2) ? (key[i / 2] | v) : (v << 4));
	}
	return line[i] == '\n' || line[i] == '\r' || line[i] == '\0';
}

/*
 * Make a key file with fresh keys, durably.  FATAL if that fails.
 */
static void
pz_keys_create(const char *path)
{
	char		temp[MAXPGPATH];
	char		text[PZ_KEY_FILE_MAX];
	uint8		key[PZ_KEY_LEN];
	int			len;
	int			fd;

	if (!pg_strong_random(key, PZ_KEY_LEN))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	len = pz_keys_format(text, sizeof(text), "audit", key);
	if (!pg_strong_random(key, PZ_KEY_LEN))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	len += pz_keys_format(text + len, sizeof(text) - len, "subject", key);

	snprintf(temp, sizeof(temp), "%s.tmp", path);
	if (unlink(temp) != 0 && errno != ENOENT)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", temp)));
	fd = BasicOpenFilePerm(temp, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);
	if (fd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", temp)));
	errno = 0;
	if (write(fd, text, len) != len)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temp)));
	}
	if (pg_fsync(fd) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", temp)));
	if (close(fd) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", temp)));
	durable_rename(temp, path, FATAL);
	memset(text, 0, sizeof(text));
	memset(key, 0, sizeof(key));
	ereport(LOG,
			(errmsg("personalize has made key file \"%s\"", path),
			 errhint("Keep a copy apart from the backups: without it, audit records of this cluster "
					 "cannot be authenticated and erased subjects are not recognised.")));
}

/*
 * Read the key file; make it at the first start.  Called from _PG_init; does
 * nothing unless shared_preload_libraries is being worked on.  FATAL if the
 * file cannot be read or made, is malformed, or others than the owner of the
 * server may read it.  A server in binary upgrade gets no key file: it
 * records nothing.
 */
void
pz_keys_load(void)
{
	char		text[PZ_KEY_FILE_MAX + 1];
	struct stat st;
	int			fd;
	int			len;

	if (!process_shared_preload_libraries_in_progress || keys_loaded)
		return;
	if (IsBinaryUpgrade || IsBootstrapProcessingMode())
		return;

	if (stat(pz_key_file, &st) != 0)
	{
		if (errno != ENOENT)
			ereport(FATAL,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", pz_key_file)));
		pz_keys_create(pz_key_file);
	}

	fd = BasicOpenFile(pz_key_file, O_RDONLY | PG_BINARY);
	if (fd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", pz_key_file)));
	if (fstat(fd, &st) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", pz_key_file)));
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("key file \"%s\" has group or world access", pz_key_file),
				 errhint("File must be owned by the database user and have permissions u=rw (0600) or less.")));
	len = (int) read(fd, text, PZ_KEY_FILE_MAX);
	if (len < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", pz_key_file)));
	close(fd);
	text[len] = '\0';
	if (!pz_keys_scan(text, "audit", audit_key) ||
		!pz_keys_scan(text, "subject", subject_key))
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("key file \"%s\" is malformed", pz_key_file),
				 errhint("Restore it from a copy. It must hold a line \"audit\" and a line \"subject\" with 64 hexadecimal digits each.")));
	has_previous = pz_keys_scan(text, "audit_previous", previous_key);
	if (!has_previous && pz_keys_line(text, "audit_previous") != NULL)
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("key file \"%s\" is malformed", pz_key_file),
				 errhint("A line \"audit_previous\" needs 64 hexadecimal digits.")));
	memset(text, 0, sizeof(text));
	keys_loaded = true;
}

/*
 * Make the context that pz_keys_mac and pz_keys_digest need.  Call it once
 * in each process, where allocating memory is allowed.  False if there are no
 * keys or no memory.
 */
bool
pz_keys_prepare(void)
{
	static ResourceOwner owner = NULL;
	ResourceOwner save;

	if (!keys_loaded)
		return false;
	if (hmac != NULL)
		return true;
	if (owner == NULL)
		owner = ResourceOwnerCreate(NULL, "personalize keys");
	save = CurrentResourceOwner;
	CurrentResourceOwner = owner;
	hmac = pg_hmac_create(PG_SHA256);
	CurrentResourceOwner = save;
	return hmac != NULL;
}

/*
 * HMAC-SHA256 of data with a key.  Safe in the abort path and while exiting:
 * allocates nothing from memory contexts, takes no lock, never errors.  False
 * if it cannot be had; out is then undefined.
 */
static bool
pz_keys_hmac(const uint8 *key, const void *data, size_t len, uint8 out[PZ_MAC_LEN])
{
	return hmac != NULL &&
		pg_hmac_init(hmac, key, PZ_KEY_LEN) >= 0 &&
		pg_hmac_update(hmac, (const uint8 *) data, len) >= 0 &&
		pg_hmac_final(hmac, out, PZ_MAC_LEN) >= 0;
}

/*
 * The same with the audit key.
 */
bool
pz_keys_mac(const void *data, size_t len, uint8 out[PZ_MAC_LEN])
{
	return pz_keys_hmac(audit_key, data, len, out);
}

/*
 * Is mac that of data by the audit key, or the one before it?  Same promises.
 */
bool
pz_keys_verify(const void *data, size_t len, const uint8 mac[PZ_MAC_LEN])
{
	uint8		computed[PZ_MAC_LEN];

	if (pz_keys_hmac(audit_key, data, len, computed) && timingsafe_bcmp(computed, mac, PZ_MAC_LEN) == 0)
		return true;
	return has_previous && pz_keys_hmac(previous_key, data, len, computed) &&
		timingsafe_bcmp(computed, mac, PZ_MAC_LEN) == 0;
}

/*
 * Digest of a subject's key within its kind, by the subject key.  Same
 * promises as pz_keys_mac, but makes the context by itself if need be (then
 * it may allocate).
 */
bool
pz_keys_digest(int32 kind_id, const char *key, size_t len, uint8 out[PZ_MAC_LEN])
{
	uint8		kind[4];

	kind[0] = (uint8) ((uint32) kind_id >> 24);
	kind[1] = (uint8) ((uint32) kind_id >> 16);
	kind[2] = (uint8) ((uint32) kind_id >> 8);
	kind[3] = (uint8) kind_id;
	return pz_keys_prepare() &&
		pg_hmac_init(hmac, subject_key, PZ_KEY_LEN) >= 0 &&
		pg_hmac_update(hmac, kind, sizeof(kind)) >= 0 &&
		pg_hmac_update(hmac, (const uint8 *) key, len) >= 0 &&
		pg_hmac_final(hmac, out, PZ_MAC_LEN) >= 0;
}
