/* SPDX-License-Identifier: MIT */
/*
 * What the session used. The object of --json is the one account; --stats is the same in words.
 * That no session was made, and that a worker was lost, is told in any case.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "util/fds.h"

/* Members of domain.usage that the report has under the same name. */
static const char *const usage_keys[] = { "sessions", "peak_bytes", "submits", "commands",
	"transfer_bytes", "bytes_in", "faults", "mem_refused", "lost", "last_fault" };

/* The session itself, or (it was over before we looked) what the broker says of its renderer. */
static json_t *describe(struct sl_run_gpu *g)
{
	_cleanup_json_ json_t *hello = NULL;
	_cleanup_free_ char *error = NULL;
	json_t *renderer;

	if (sl_run_gpu_known(g)) {
		return json_incref(g->session);
	}
	if (!g->client || g->lost ||
		sl_client_call(g->client, "hello", NULL, -1, &hello, &error) != 0) {
		return NULL;
	}
	renderer = json_object_get(hello, "renderer");
	/* A domain's socket is its identity; there is no other on it. */
	return json_pack("{s:O?, s:O?, s:O?, s:s}", "renderer", json_object_get(renderer, "name"),
		"api", json_object_get(renderer, "api"), "software",
		json_object_get(renderer, "software"), "identified_by", "socket");
}

static void copy(json_t *to, const char *key, const json_t *from, const char *from_key)
{
	json_t *v = json_object_get(from, from_key);

	json_object_set_new(to, key, v ? json_incref(v) : json_null());
}

static void add_session(
	json_t *report, const json_t *usage, const json_t *session, const json_t *limits, bool gl)
{
	json_int_t first_ns = json_integer_value(json_object_get(usage, "first_frame_ns"));
	bool any = json_integer_value(json_object_get(usage, "sessions")) > 0;

	copy(report, "session", usage, "last_session");
	copy(report, "renderer", any ? session : NULL, "renderer");
	copy(report, "api", any ? session : NULL, "api");
	copy(report, "software", any ? session : NULL, "software");
	copy(report, "identified_by", any ? session : NULL, "identified_by");
	copy(report, "limit_bytes", limits, "mem_bytes");
	json_object_set_new(report, "first_frame_ms",
		first_ns > 0 ? json_real((double)first_ns / 1e6) : json_null());
	for (size_t i = 0; i < SL_ARRAY_LEN(usage_keys); i++) {
		copy(report, usage_keys[i], usage, usage_keys[i]);
	}
	if (!gl) {
		/* Zero is the truth here, and programs may add it up. */
		json_object_set_new(report, "sessions", json_integer(0));
		json_object_set_new(report, "peak_bytes", json_integer(0));
		json_object_set_new(report, "submits", json_integer(0));
	}
}

static json_t *make_report(
	const struct sl_run_options *o, struct sl_run_gpu *g, const struct sl_run_result *result)
{
	_cleanup_json_ json_t *usage = sl_run_gpu_usage(g), *session = describe(g);
	json_t *report = json_object();

	json_object_set_new(report, "gpu", json_string(sl_run_gpu_str(o->gpu)));
	json_object_set_new(report, "domain", sl_control_text(g->name));
	add_session(report, usage, session, g->limits, o->gpu == SL_RUN_GL);
	if (o->gpu == SL_RUN_SOFTWARE) {
		json_object_set_new(report, "renderer", json_string("llvmpipe"));
		json_object_set_new(report, "software", json_true());
	}
	json_object_set_new(report, "exit_status", json_integer(result->exit_status));
	json_object_set_new(report, "wall_ms", json_real((double)(result->wall_ns / 1000) / 1e3));
	json_object_set_new(report, "screenshot", sl_control_text(o->screenshot));
	json_object_set_new(report, "recording", sl_control_text(o->record));
	return report;
}

static uint64_t number(const json_t *report, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(report, key));
}

static const char *text(const json_t *report, const char *key)
{
	const char *s = json_string_value(json_object_get(report, key));

	return s ? s : "unknown";
}

static void print_session(const json_t *report)
{
	char peak[32], limit[32];

	sl_cli_format_bytes(number(report, "peak_bytes"), peak, sizeof(peak));
	sl_cli_format_bytes(number(report, "limit_bytes"), limit, sizeof(limit));
	fprintf(stderr, "  session      %llu, %llu in all, domain %s, identified by %s\n",
		(unsigned long long)number(report, "session"),
		(unsigned long long)number(report, "sessions"), text(report, "domain"),
		text(report, "identified_by"));
	if (json_is_real(json_object_get(report, "first_frame_ms"))) {
		fprintf(stderr, "  first frame  %.1f ms after connecting\n",
			json_real_value(json_object_get(report, "first_frame_ms")));
	}
	fprintf(stderr, "  memory       %s at most%s%s\n", peak,
		number(report, "limit_bytes") ? ", limit " : "",
		number(report, "limit_bytes") ? limit : "");
	fprintf(stderr, "  submissions  %llu\n", (unsigned long long)number(report, "submits"));
}

static void print_stats(const struct sl_run_options *o, const json_t *report)
{
	bool any = number(report, "sessions") > 0;
	const json_t *software = json_object_get(report, "software");

	if (any || o->gpu == SL_RUN_SOFTWARE) {
		fprintf(stderr, "  renderer     %s%s%s%s\n", text(report, "renderer"),
			any ? ", " : "", any ? text(report, "api") : "",
			json_is_true(software) ? " (software, no GPU)" : "");
	} else {
		fprintf(stderr, "  renderer     none used\n");
	}
	if (any) {
		print_session(report);
	}
	fprintf(stderr, "  time         %.2f s\n  exit status  %d\n",
		json_real_value(json_object_get(report, "wall_ms")) / 1e3,
		(int)number(report, "exit_status"));
}

/*
 * The program may have left stdout in the middle of a line, which only a file would tell us; an
 * empty line does no harm, half a line would hide the object.
 */
static bool line_is_open(void)
{
	struct stat st;
	off_t end;
	char last;

	if (fstat(STDOUT_FILENO, &st) < 0 || !S_ISREG(st.st_mode)) {
		return true;
	}
	end = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	return end > 0 && (pread(STDOUT_FILENO, &last, 1, end - 1) != 1 || last != '\n');
}

static void print_json(const json_t *report)
{
	_cleanup_free_ char *line = json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(9));

	if (!line) {
		return;
	}
	if (line_is_open()) {
		putchar('\n');
	}
	puts(line);
	sl_cli_help("");
}

static void print_warnings(const struct sl_run_options *o, const json_t *report)
{
	const char *fault = json_string_value(json_object_get(report, "last_fault"));

	if (o->gpu != SL_RUN_GL) {
		return;
	}
	if (json_is_integer(json_object_get(report, "sessions")) &&
		number(report, "sessions") == 0) {
		sl_cli_warn("%s: it made no GL session: it uses no GL, or not through Mesa, or it "
			    "has no display (see --display)",
			o->argv[0]);
	}
	if (number(report, "lost") > 0) {
		sl_cli_warn("%s: sessions lost with their worker: %llu%s%s: see the broker's log",
			o->argv[0], (unsigned long long)number(report, "lost"), fault ? ": " : "",
			fault ? fault : "");
	}
}

void sl_run_report(
	const struct sl_run_options *o, struct sl_run_gpu *g, const struct sl_run_result *result)
{
	_cleanup_json_ json_t *report = make_report(o, g, result);

	print_warnings(o, report);
	if (o->stats) {
		print_stats(o, report);
	}
	if (o->json) {
		print_json(report);
	}
}
