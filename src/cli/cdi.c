/* SPDX-License-Identifier: MIT */
/*
 * `sluice cdi`: tells container engines (podman, CRI-O, containerd, Docker) about the broker's
 * sockets as devices of the kind sluice/gpu. A device here is a mount and three variables, no
 * device node. Engines read these files strictly: unknown fields or a version that they do not know
 * make the whole file invalid, so the lowest version with the fields used is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"

/* mounts without a type, env, no annotations: all in the first published version. */
#define CDI_VERSION "0.3.0"
#define CDI_KIND "sluice/gpu"
/* Where Mesa before 23.1 looks, whatever it is told. */
#define CLIENT_SOCKET "/tmp/.virgl_test"
#define DOMAINS_MAX 64

static const char help_text[] =
	"Usage: sluice cdi generate [--domain NAME]... [--output FILE]\n"
	"       sluice cdi list [--domain NAME]... [--json]\n"
	"\n"
	"Describes the broker's sockets to container engines, as devices of the kind sluice/gpu\n"
	"(Container Device Interface): gl is the shared socket, gl-NAME the socket of domain "
	"NAME.\n"
	"\n"
	"  sluice cdi generate --output /etc/cdi/sluice.json\n"
	"  podman run --device sluice/gpu=gl IMAGE PROGRAM\n"
	"\n"
	"Options:\n"
	"  --domain NAME    only this domain; may be given several times (default: the shared\n"
	"                   socket and every domain that stays)\n"
	"  --output FILE    write FILE, whole or not at all (default: stdout)\n"
	"  --directory DIR  the broker's directory\n"
	"  --json           list: as JSON\n"
	"  --help           this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 69 no broker answers.\n";

struct cdi_options {
	const char *verb, *output, *directory;
	const char *domains[DOMAINS_MAX];
	size_t n_domains;
	bool json;
};

/* As the specification has it; our names may end otherwise. */
static bool device_name_valid(const char *domain)
{
	char last = domain[strlen(domain) - 1];

	return strchr("._-", last) == NULL;
}

static json_t *make_device(const char *domain, const char *socket)
{
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, domain ? "gl-%s" : "gl", domain) < 0) {
		name = NULL;
		return NULL;
	}
	return json_pack("{s:s, s:{s:[{s:s, s:s, s:[s,s,s,s,s]}]}}", "name", name, "containerEdits",
		"mounts", "hostPath", socket, "containerPath", CLIENT_SOCKET, "options", "bind",
		"ro", "nosuid", "nodev", "noexec");
}

static json_t *make_spec(json_t *devices)
{
	return json_pack("{s:s, s:s, s:O, s:{s:[s,s,s]}}", "cdiVersion", CDI_VERSION, "kind",
		CDI_KIND, "devices", devices, "containerEdits", "env", "LIBGL_ALWAYS_SOFTWARE=1",
		"GALLIUM_DRIVER=virpipe", "VTEST_SOCKET_NAME=" CLIENT_SOCKET);
}

static const json_t *find_domain(const json_t *list, const char *name)
{
	const json_t *d;
	size_t i;

	json_array_foreach(list, i, d)
	{
		const char *s = json_string_value(json_object_get(d, "name"));

		if (s && strcmp(s, name) == 0) {
			return d;
		}
	}
	return NULL;
}

static void add_device(json_t *devices, const json_t *domain)
{
	const char *name = json_string_value(json_object_get(domain, "name"));
	const char *socket = json_string_value(json_object_get(domain, "socket"));

	if (!name || !*name || !socket) {
		return;
	}
	if (!device_name_valid(name)) {
		sl_cli_warn("domain %s: no device name can end like this: it is left out; use a "
			    "name that ends with a letter or digit",
			name);
		return;
	}
	json_array_append_new(devices, make_device(name, socket));
}

static int add_named(const struct cdi_options *o, json_t *devices, const json_t *list)
{
	for (size_t i = 0; i < o->n_domains; i++) {
		const json_t *d = find_domain(list, o->domains[i]);

		if (!d) {
			sl_cli_error("domain %s: there is none: add it with sluice socket add %s",
				o->domains[i], o->domains[i]);
			return SL_EXIT_FAILURE;
		}
		add_device(devices, d);
	}
	return SL_EXIT_OK;
}

static int add_all(struct sl_client *c, json_t *devices, const json_t *list)
{
	const char *shared =
		json_string_value(json_object_get(sl_client_hello(c), "shared_socket"));
	const json_t *d;
	size_t i;

	if (shared) {
		json_array_append_new(devices, make_device(NULL, shared));
	}
	json_array_foreach(list, i, d)
	{
		const char *name = json_string_value(json_object_get(d, "name"));

		/* One that goes with its connection would be gone before an engine looks. */
		if (name && strcmp(name, SL_CONTROL_SHARED_DOMAIN) != 0 &&
			!json_is_true(json_object_get(d, "ephemeral"))) {
			add_device(devices, d);
		}
	}
	if (json_array_size(devices) == 0) {
		sl_cli_error("%s: the broker has no shared socket and no domain: add one with "
			     "sluice socket add NAME",
			sl_client_directory(c));
		return SL_EXIT_FAILURE;
	}
	return SL_EXIT_OK;
}

static int collect(const struct cdi_options *o, json_t *devices)
{
	_cleanup_client_ struct sl_client *c = NULL;
	_cleanup_free_ char *error = NULL;
	_cleanup_json_ json_t *result = NULL;
	const json_t *list;
	int r = sl_client_connect(o->directory, &c, &error);

	if (r == 0) {
		r = sl_client_call(c, "domain.list", NULL, -1, &result, &error);
	}
	if (r != 0) {
		sl_cli_error("%s", error ? error : "out of memory");
		return sl_client_exit_status(r);
	}
	list = json_object_get(result, "domains");
	return o->n_domains > 0 ? add_named(o, devices, list) : add_all(c, devices, list);
}

static int write_text(int fd, const char *text)
{
	_cleanup_fclose_ FILE *f = fdopen(fd, "w");

	if (!f) {
		sl_close(fd);
		return -errno;
	}
	/* Engines of other users read it too; it holds no secret. */
	if (fchmod(fd, 0644) < 0 || fputs(text, f) < 0 || fputc('\n', f) < 0 || fflush(f) != 0 ||
		fsync(fd) < 0) {
		return -errno;
	}
	return 0;
}

/* Engines watch the folder: a file under its final name must be whole. */
static int write_file(const char *path, const char *text)
{
	_cleanup_free_ char *copy = strdup(path), *copy2 = strdup(path), *tmp = NULL;
	const char *dir;
	int fd, r;

	if (!copy || !copy2) {
		return -ENOMEM;
	}
	dir = dirname(copy);
	mkdir(dir, 0755);
	/* Neither .json nor .yaml at its end, so that no engine looks at it. */
	if (asprintf(&tmp, "%s/.%s.XXXXXX", dir, basename(copy2)) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	r = write_text(fd, text);
	if (r == 0 && rename(tmp, path) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlink(tmp);
	}
	return r;
}

static int generate(const struct cdi_options *o, json_t *devices)
{
	_cleanup_json_ json_t *spec = make_spec(devices);
	_cleanup_free_ char *text = NULL;
	int r;

	if (!o->output) {
		return sl_cli_print_json(spec);
	}
	text = json_dumps(spec, JSON_INDENT(2));
	r = text ? write_file(o->output, text) : -ENOMEM;
	if (r < 0) {
		sl_cli_error("--output %s: %s: give a file in a folder that you may write to, such "
			     "as /etc/cdi/sluice.json",
			o->output, strerror(-r));
		return SL_EXIT_FAILURE;
	}
	return SL_EXIT_OK;
}

static int list(const struct cdi_options *o, const json_t *devices)
{
	static const struct sl_column columns[] = {
		{ "DEVICE", "device", SL_FORMAT_TEXT },
		{ "SOCKET", "socket", SL_FORMAT_TEXT },
	};
	_cleanup_json_ json_t *rows = json_array();
	const json_t *d;
	size_t i;

	json_array_foreach(devices, i, d)
	{
		const json_t *mount = json_array_get(
			json_object_get(json_object_get(d, "containerEdits"), "mounts"), 0);

		json_array_append_new(
			rows, json_pack("{s:o, s:O}", "device",
				      json_sprintf(CDI_KIND "=%s",
					      json_string_value(json_object_get(d, "name"))),
				      "socket", json_object_get(mount, "hostPath")));
	}
	if (o->json) {
		return sl_cli_print_json(rows);
	}
	return sl_cli_print_table(columns, SL_ARRAY_LEN(columns), rows);
}

/* -1 to go on, or an exit status. */
static int parse(struct cdi_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "domain", required_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' },
		{ "directory", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":ho:", options, NULL)) >= 0) {
		switch (opt) {
		case 'n':
			if (o->n_domains == DOMAINS_MAX) {
				return sl_cli_usage(
					"cdi", "--domain: at most %d of them", DOMAINS_MAX);
			}
			o->domains[o->n_domains++] = optarg;
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'd':
			o->directory = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			return sl_cli_help(help_text);
		default:
			return sl_cli_bad_option("cdi", argc, argv, opt);
		}
	}
	if (optind >= argc) {
		return sl_cli_usage("cdi", "generate or list?");
	}
	o->verb = argv[optind++];
	if (optind < argc) {
		return sl_cli_usage("cdi", "%s: too many arguments", argv[optind]);
	}
	if (strcmp(o->verb, "generate") != 0 && strcmp(o->verb, "list") != 0) {
		return sl_cli_usage("cdi", "%s: unknown: generate or list", o->verb);
	}
	return -1;
}

static int run(int argc, char **argv)
{
	_cleanup_json_ json_t *devices = json_array();
	struct cdi_options o = {};
	int r = parse(&o, argc, argv);

	if (r < 0) {
		r = collect(&o, devices);
		if (r == SL_EXIT_OK) {
			r = strcmp(o.verb, "list") == 0 ? list(&o, devices) : generate(&o, devices);
		}
	}
	return r;
}

const struct sl_command sl_cmd_cdi = {
	.name = "cdi",
	.summary = "describe the sockets to container engines",
	.run = run,
};
