/* SPDX-License-Identifier: MIT */
/* The player, against a server that is a few lines in another process. */
#include <setjmp.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/replay.h"
#include "protocol/recording.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define MEMORY_BYTES 8192u

struct fixture {
	char dir[32], path[64];
	int listener, memory; /* the memory that the server gives for CREATE2 */
	pid_t server;
	FILE *file;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	strcpy(f->dir, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	strcpy(sa.sun_path, f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(f->listener, 1), 0);
	f->memory = sl_memfd_sealed("test", MEMORY_BYTES);
	f->file = tmpfile();
	assert_non_null(f->file);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->server > 0) {
		kill(f->server, SIGKILL);
		waitpid(f->server, NULL, 0);
	}
	fclose(f->file);
	close(f->listener);
	close(f->memory);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void answer(int fd, uint32_t request, const uint32_t *words, size_t n)
{
	uint8_t header[SL_VTEST_HEADER_BYTES];

	sl_vtest_encode_reply(header, request, n * 4);
	if (write(fd, header, sizeof(header)) < 0 || (n > 0 && write(fd, words, n * 4) < 0)) {
		_exit(1);
	}
}

/* Serves whole messages as read() gives them: the player sends one at a time. */
static _noreturn_ void serve(const struct fixture *f, unsigned int n_messages)
{
	int fd = accept(f->listener, NULL, NULL);
	struct sl_vtest_message m;
	uint8_t buf[4096];
	size_t need;

	while (n_messages-- > 0) {
		ssize_t n = read(fd, buf, sizeof(buf));
		const uint32_t version = 2, busy = 0;

		if (n <= 0 || sl_vtest_parse_head(buf, (size_t)n, &m, &need) != 0) {
			break;
		}
		if (m.id == SL_VTEST_PROTOCOL_VERSION) {
			answer(fd, m.id, &version, 1);
		} else if (m.id == SL_VTEST_RESOURCE_BUSY_WAIT) {
			answer(fd, m.id, &busy, 1);
		} else if (m.id == SL_VTEST_RESOURCE_CREATE2) {
			struct iovec iov = { buf, 1 };

			sl_sendmsg_fds(fd, &iov, 1, &f->memory, 1, 0);
		}
	}
	_exit(0);
}

static void start_server(struct fixture *f, unsigned int n_messages)
{
	f->server = fork();
	if (f->server == 0) {
		serve(f, n_messages);
	}
	assert_true(f->server > 0);
}

static void put_start(struct fixture *f)
{
	uint8_t head[SL_REC_FILE_BYTES];

	sl_rec_encode_file(head, SL_REC_KIND_VTEST);
	fwrite(head, 1, sizeof(head), f->file);
}

static void put_record(struct fixture *f, uint32_t type, const void *data, size_t size)
{
	uint8_t head[SL_REC_HEADER_BYTES];

	sl_rec_encode_header(head, type, (uint32_t)size, 0);
	fwrite(head, 1, sizeof(head), f->file);
	fwrite(data, 1, size, f->file);
}

static void put_message(struct fixture *f, uint32_t id, const uint32_t *words, size_t n)
{
	uint8_t buf[SL_VTEST_HEAD_MAX_BYTES];
	size_t size = sl_vtest_encode(buf, sizeof(buf), id, words, n);

	assert_true(size > 0);
	put_record(f, SL_REC_MESSAGE, buf, size);
}

static void put_memory(struct fixture *f, uint32_t resource, uint64_t offset, const char *text)
{
	uint8_t buf[64];

	sl_rec_encode_memory(buf, resource, offset);
	memcpy(buf + SL_REC_MEMORY_HEAD_BYTES, text, strlen(text));
	put_record(f, SL_REC_MEMORY, buf, SL_REC_MEMORY_HEAD_BYTES + strlen(text));
}

static const uint32_t version_words[] = { 2 };
static const uint32_t create_words[] = { 7, 0, 64, 0, 8192, 1, 1, 1, 0, 0, MEMORY_BYTES };

static void put_session(struct fixture *f)
{
	put_start(f);
	put_message(f, SL_VTEST_PROTOCOL_VERSION, version_words, 1);
	put_message(f, SL_VTEST_RESOURCE_CREATE2, create_words, 11);
	put_memory(f, 7, 4000, "what the client drew");
}

static int play(struct fixture *f, struct sl_replay_result *r)
{
	rewind(f->file);
	return sl_replay_play(f->file, f->path, r);
}

static void test_memory_reaches_the_server(void **state)
{
	struct fixture *f = *state;
	struct sl_replay_result r;
	char text[32] = "";

	put_session(f);
	start_server(f, 100);
	assert_int_equal(play(f, &r), 0);
	assert_false(r.ended);
	assert_int_equal(r.messages, 2);
	assert_int_equal(r.memory_bytes, 20);
	assert_int_equal(r.commands[SL_VTEST_RESOURCE_CREATE2].count, 1);
	assert_int_equal(pread(f->memory, text, 20, 4000), 20);
	assert_string_equal(text, "what the client drew");
}

static void test_an_early_end_is_told(void **state)
{
	struct fixture *f = *state;
	struct sl_replay_result r;

	put_session(f);
	start_server(f, 1);
	assert_int_equal(play(f, &r), 0);
	assert_true(r.ended);
	assert_non_null(strstr(r.why, "message 2 (RESOURCE_CREATE2)"));
}

static void test_an_end_behind_the_last_message_is_told(void **state)
{
	struct fixture *f = *state;
	struct sl_replay_result r;

	put_session(f);
	start_server(f, 2);
	assert_int_equal(play(f, &r), 0);
	assert_true(r.ended);
}

static void test_memory_that_does_not_fit(void **state)
{
	static const struct {
		uint32_t resource;
		uint64_t offset;
	} wrong[] = { { 8, 0 }, { 7, MEMORY_BYTES }, { 7, MEMORY_BYTES - 4 }, { 7, UINT64_MAX } };
	struct fixture *f = *state;

	for (size_t i = 0; i < SL_ARRAY_LEN(wrong); i++) {
		struct sl_replay_result r;

		rewind(f->file);
		assert_int_equal(ftruncate(fileno(f->file), 0), 0);
		put_session(f);
		put_memory(f, wrong[i].resource, wrong[i].offset, "12345");
		start_server(f, 100);
		assert_int_equal(play(f, &r), 0);
		assert_true(r.ended);
		assert_non_null(strstr(r.why, "memory here than in the recording"));
		waitpid(f->server, NULL, 0);
		f->server = 0;
	}
}

static void test_what_is_no_recording(void **state)
{
	struct fixture *f = *state;
	struct sl_replay_result r;

	start_server(f, 100);
	assert_int_equal(play(f, &r), -EPROTO);
	fputs("this is a text of more than sixteen bytes", f->file);
	assert_int_equal(play(f, &r), -EPROTO);
}

static void test_a_recording_that_is_cut_off_still_plays(void **state)
{
	struct fixture *f = *state;
	struct sl_replay_result r;

	put_session(f);
	fflush(f->file);
	assert_int_equal(ftruncate(fileno(f->file), ftell(f->file) - 3), 0);
	start_server(f, 100);
	assert_int_equal(play(f, &r), 0);
	assert_false(r.ended);
	assert_int_equal(r.memory_bytes, 0);
}

static void test_no_server(void **state)
{
	struct fixture *f = *state;
	struct sl_replay_result r;

	put_session(f);
	rewind(f->file);
	assert_int_equal(sl_replay_play(f->file, "/nonesuch/s", &r), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_memory_reaches_the_server),
		TEST(test_an_early_end_is_told),
		TEST(test_an_end_behind_the_last_message_is_told),
		TEST(test_memory_that_does_not_fit),
		TEST(test_what_is_no_recording),
		TEST(test_a_recording_that_is_cut_off_still_plays),
		TEST(test_no_server),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
