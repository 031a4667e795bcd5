// SPDX-License-Identifier: Apache-2.0
/* Where values come from without waiting: the environment and files; and what a value may be. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret/holder_env.h"
#include "secret/vault.h"

struct vault_value *vault_value_new(struct view v)
{
	struct vault_value *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct vault_value){.refs = 1,
				  .len = v.len,
				  .bytes = secret_alloc(v.len ? v.len : 1)};
	if (!r->bytes) {
		free(r);
		return NULL;
	}
	if (v.len)
		memcpy(r->bytes, v.p, v.len);
	return r;
}

void vault_value_unref(struct vault_value *v)
{
	if (!v || --v->refs > 0)
		return;
	secret_free(v->bytes);
	free(v);
}

bool vault_value_same(const struct vault_value *a, const struct vault_value *b)
{
	if (!a || !b)
		return a == b;
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

struct vault_value *vault_value_checked(struct view v, bool multi_line, struct error *err)
{
	if (v.len && v.p[v.len - 1] == '\n')
		v.len--;
	if (v.len && v.p[v.len - 1] == '\r')
		v.len--;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] == 0 || (!multi_line && (v.p[i] == '\n' || v.p[i] == '\r'))) {
			error_set(err, "its value has a %s in it, which no header field can carry",
				  v.p[i] ? "line end" : "NUL");
			return NULL;
		}
	}
	if (v.len < NEEDLE_MIN) {
		error_set(err,
			  v.len ? "its value is shorter than %d bytes: too short to be "
				  "recognised in what a server answers"
				: "its value is empty (%d bytes are needed)",
			  NEEDLE_MIN);
		return NULL;
	}
	if (v.len > SECRET_VALUE_MAX) {
		error_set(err, "its value is longer than %d bytes", SECRET_VALUE_MAX);
		return NULL;
	}
	struct vault_value *r = vault_value_new(v);
	if (!r)
		error_set(err, "no memory");
	return r;
}

/* ---- files ---- */

/* One byte more than a value and its line end can have shows that it is too long. */
#define FILE_MAX (SECRET_VALUE_MAX + 3)

static struct vault_value *read_fd(int fd, const char *path, struct error *err)
{
	struct secret_buf b = {0};
	struct vault_value *v = NULL;
	size_t cap;

	for (;;) {
		uint8_t *to = b.len < FILE_MAX ? secret_buf_room(&b, 4096, &cap) : NULL;
		ssize_t n = to ? read(fd, to, cap) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_set_errno(err, errno, "cannot read '%s'", path);
			break;
		}
		b.len += (size_t)n;
		if (n > 0)
			continue;
		/* All of it, as it is: what it may be is checked elsewhere. */
		v = vault_value_new(b.len ? secret_buf_view(&b) : view_make(NULL, 0));
		if (!v)
			error_set(err, "no memory");
		break;
	}
	secret_buf_done(&b);
	return v;
}

struct vault_value *vault_read_file(const char *path, struct error *err)
{
	struct vault_value *v = NULL;
	struct stat st;
	/* Not to wait for the writer of a FIFO, nor to be given a terminal. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		error_set_errno(err, errno, "cannot open '%s'", path);
		return NULL;
	}
	if (fstat(fd, &st) < 0)
		error_set_errno(err, errno, "cannot look at '%s'", path);
	else if (!S_ISREG(st.st_mode))
		error_set(err, "'%s' is no regular file", path);
	else
		v = read_fd(fd, path, err);
	close(fd);
	return v;
}

/* ---- the environment ---- */

/* What was read once is kept: another sandbox may want the same variable, and it is gone from the
 * environment. */
struct vault_value *vault_read_env(struct vault *v, const char *name, struct error *err)
{
	list_for_each (it, &v->env) {
		struct vault_env *e = container_of(it, struct vault_env, node);
		if (strcmp(e->name, name) == 0)
			return vault_value_ref(e->value);
	}
	const char *text = getenv(name);
	if (!text) {
		error_set(err, "there is no environment variable %s", name);
		return NULL;
	}
	struct vault_env *e = calloc(1, sizeof(*e));
	if (e) {
		e->name = strdup(name);
		e->value = vault_value_new(view_make(text, strlen(text)));
	}
	if (!e || !e->name || !e->value || v->env_count >= VAULT_ENV_MAX) {
		error_set(err, e && e->value ? "too many environment variables" : "no memory");
		if (e) {
			free(e->name);
			vault_value_unref(e->value);
		}
		free(e);
		return NULL;
	}
	holder_env_wipe(name);
	list_add_tail(&v->env, &e->node);
	v->env_count++;
	return vault_value_ref(e->value);
}
