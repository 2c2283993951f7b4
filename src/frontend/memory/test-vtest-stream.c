/* SPDX-License-Identifier: MIT */
/* The byte stream: ends, pauses, clients that do not read; extreme fields; recording. */
#include <poll.h>
#include <sys/mman.h>

#include "frontend/memory/test-vtest.h"
#include "protocol/recording.h"

static void test_end_between_messages(void **state)
{
	start_at(2);
	sl_memory_shutdown(rig.client);
	assert_int_equal(sl_vtest_rig_run(&rig), SL_VTEST_CLOSED);
	assert_int_equal(faults(), 0);
}

/* The end that is met while looking behind commands is not forgotten. */
static void test_end_behind_commands(void **state)
{
	start_at(2);
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	sl_memory_shutdown(rig.client);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_CLOSED);
}

static void test_end_within_a_message(void **state)
{
	start_at(2);
	sl_memory_write(rig.client, "abc", 3);
	sl_memory_shutdown(rig.client);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_MALFORMED));
	assert_int_equal(faults(), 1);
}

static void test_end_within_a_skipped_upload(void **state)
{
	start_at(0);
	sl_vtest_rig_send_raw(&rig, 11, SL_VTEST_TRANSFER_PUT,
		(uint32_t[]){ 7, 0, 0, 0, 0, 0, 0, 16, 16, 1, 1000 }, 44);
	sl_memory_shutdown(rig.client);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_MALFORMED));
}

static void test_message_never_finished(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.message_ms = 5;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	assert_true(sl_vtest_deadline_ns(rig.vtest) == SL_NEVER_NS);
	sl_memory_write(rig.client, "abc", 3);
	run_ok();
	assert_true(sl_vtest_deadline_ns(rig.vtest) <= sl_now_ns() + 5 * SL_NSEC_PER_MSEC);
	usleep(6000);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_TIMEOUT));
	assert_true(sl_vtest_deadline_ns(rig.vtest) == SL_NEVER_NS);
}

static void test_idle_client_has_no_deadline(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.message_ms = 1;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	usleep(3000);
	run_ok();
	SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	run_ok();
	usleep(3000);
	run_ok();
}

/* Replies pile up to a bound, then the client's messages stay where they are, then it is over. */
static void test_client_that_does_not_read(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.message_ms = 5;
	o.memory.max_pending = 1000;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	for (int i = 0; i < 10000; i++) {
		SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	}
	run_ok();
	assert_int_equal(sl_memory_pending(rig.client), 1000);
	assert_true(sl_memory_unread(rig.client) > 0);
	assert_int_equal(sl_vtest_events(rig.vtest), POLLOUT);
	usleep(6000);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_TIMEOUT));
}

static void test_client_that_reads_slowly(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	uint8_t buf[777];
	size_t n = 0;

	o.memory.max_pending = 1000;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	for (int i = 0; i < 10000; i++) {
		SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	}
	do {
		run_ok();
		n += get(buf, sizeof(buf));
	} while (n < 80000);
	assert_int_equal(n, 80000);
	expect_nothing();
}

static void test_client_that_has_gone(void **state)
{
	start_at(2);
	SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	rig.client = sl_memory_free(rig.client);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_CLOSED);
}

/* One byte at a time changes nothing. */
static void test_single_bytes(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	int fd;

	o.memory.max_recv = 1;
	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, 2), 2);
	fd = create2(7, 16, 16, 1024);
	assert_true(fd >= 0);
	SEND(SL_VTEST_SUBMIT_CMD, 1, 2, 3, 4);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 1);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	close(fd);
	assert_int_equal(faults(), 0);
}

/* Every command with every field at its extremes: the session may end, it may not break. */
static void test_extreme_fields(void **state)
{
	static const uint32_t evil[] = { 0, 1, 2, 3, 4095, 4096, 16384, 0x7fffffff, 0x80000000,
		0xfffffffe, 0xffffffff };
	static const uint8_t words[SL_VTEST_N_IDS] = {
		[1] = 0, 10, 1, 11, 11, 3, 2, 2, 0, 0, 1, 11, 10, 10, 1, 2, 1, 6, 2, 1, 1, 3, 5, 12
	};

	for (uint32_t async = 0; async < 2; async++) {
		for (uint32_t id = 1; id <= SL_VTEST_SUBMIT_CMD2; id++) {
			for (uint32_t k = 0; k < words[id] * SL_ARRAY_LEN(evil); k++) {
				struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
				uint32_t w[16] = { 1, 2, R8G8B8A8, 2, 16, 16, 1, 1, 0, 0, 1024 };

				o.async = async;
				o.limits.mem_bytes = 64u << 20;
				o.memory.discard_output = true;
				start(&o);
				sl_vtest_rig_handshake(&rig, 3);
				w[k / SL_ARRAY_LEN(evil)] = evil[k % SL_ARRAY_LEN(evil)];
				sl_vtest_rig_send_raw(&rig, words[id], id, w, words[id] * 4u);
				SEND(SL_VTEST_SUBMIT_CMD, 0, 0);
				sl_vtest_rig_run(&rig);
				sl_vtest_rig_fini(&rig);
			}
		}
	}
}

static void test_recording(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	static uint8_t file[65536];
	unsigned int messages = 0, memory = 0;
	struct sl_rec_record rec;
	uint32_t kind, put[10] = { 7, 0, 0, 0, 0, 16, 16, 1, 1024, 0 };
	size_t pos = SL_REC_FILE_BYTES, need;
	ssize_t size;
	uint8_t *p;
	int fd;

	o.record_fd = memfd_create("recording", MFD_CLOEXEC);
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	fd = create2(7, 16, 16, 1024);
	p = mmap(NULL, 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[5] = 42;
	send_words(SL_VTEST_TRANSFER_PUT2, put, 10);
	send_words(SL_VTEST_TRANSFER_PUT2, put, 10);
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	run_ok();
	p[5] = 43;
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	run_ok();
	size = pread(o.record_fd, file, sizeof(file), 0);
	assert_int_equal(sl_rec_parse_file(file, (size_t)size, &kind), 0);
	while (sl_rec_parse(file + pos, (size_t)size - pos, &rec, &need) == 0) {
		messages += rec.type == SL_REC_MESSAGE;
		if (rec.type == SL_REC_MEMORY) {
			assert_int_equal(rec.resource, 7);
			assert_int_equal(rec.data_bytes, 1024);
			assert_int_equal(rec.data[5], memory == 0 ? 42 : 43);
			memory++;
		}
		pos += rec.size_bytes;
	}
	assert_int_equal(pos, size);
	assert_int_equal(messages, 2 + 1 + 4);
	assert_int_equal(memory, 2);
	munmap(p, 1024);
	close(fd);
	close(o.record_fd);
}

/* The MEMORY records since the last call, which begins at *pos; *ret is the last one. */
static size_t recorded_memory(int fd, size_t *pos, struct sl_rec_record *ret)
{
	static uint8_t file[1 << 18];
	ssize_t size = pread(fd, file, sizeof(file), 0);
	struct sl_rec_record rec;
	size_t need, n = 0;

	while (sl_rec_parse(file + *pos, (size_t)size - *pos, &rec, &need) == 0) {
		if (rec.type == SL_REC_MEMORY) {
			*ret = rec;
			n++;
		}
		*pos += rec.size_bytes;
	}
	return n;
}

/* What a read-back wrote is a player's own to make, unless it had something else there before. */
static void test_recording_leaves_readback_out(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	const uint32_t all[10] = { 7, 0, 0, 0, 0, 64, 64, 1, 16384, 0 };
	const uint32_t some[10] = { 7, 0, 0, 0, 0, 64, 20, 1, 5120, 4096 };
	const uint32_t narrow[10] = { 7, 0, 0, 0, 0, 63, 64, 1, 16384, 0 };
	struct sl_rec_record rec = {};
	size_t pos = SL_REC_FILE_BYTES;
	uint8_t *p;
	int fd;

	o.record_fd = memfd_create("recording", MFD_CLOEXEC);
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	fd = create2(7, 64, 64, 16384);
	p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

#define RECORDED(n)                                                                                \
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);                                                        \
	run_ok();                                                                                  \
	assert_int_equal(recorded_memory(o.record_fd, &pos, &rec), (n))

	/* Nobody knows what a player has in memory that was never recorded. */
	send_words(SL_VTEST_TRANSFER_GET2, all, 10);
	RECORDED(4);
	memset(p, 0xee, 16384);
	RECORDED(4);
	/* The same on both sides before, so the same behind it. */
	send_words(SL_VTEST_TRANSFER_GET2, all, 10);
	RECORDED(0);
	assert_int_equal(p[5000], 5000 & 0xff);
	send_words(SL_VTEST_TRANSFER_PUT2, all, 10);
	RECORDED(0);
	/* What the client writes afterwards is recorded, with all of its page. */
	p[5000] = 1;
	RECORDED(1);
	assert_int_equal(rec.offset, 4096);
	assert_int_equal(rec.data[5000 - 4096], 1);
	assert_int_equal(rec.data[5001 - 4096], 5001 & 0xff);
	/* ... and what it wrote before, if only because the read-back may not have come about. */
	p[0] = 2;
	send_words(SL_VTEST_TRANSFER_GET2, all, 10);
	RECORDED(1);
	assert_int_equal(rec.offset, 0);
	assert_int_equal(rec.data[0], 0);
	/* Pages written in part, or with gaps, are compared as ever. */
	memset(p, 0xee, 16384);
	RECORDED(4);
	send_words(SL_VTEST_TRANSFER_GET2, some, 10);
	RECORDED(1);
	assert_int_equal(rec.offset, 8192);
	memset(p, 0xee, 16384);
	RECORDED(2);
	send_words(SL_VTEST_TRANSFER_GET2, narrow, 10);
	RECORDED(4);
	assert_int_equal(faults(), 0);
	munmap(p, 16384);
	close(fd);
	close(o.record_fd);
}

/* The ids of the messages in a recording, in their order there. */
static size_t recorded_ids(int fd, uint32_t *ids, size_t max)
{
	static uint8_t file[65536];
	ssize_t size = pread(fd, file, sizeof(file), 0);
	size_t pos = SL_REC_FILE_BYTES, need, n = 0;
	struct sl_rec_record rec;

	while (sl_rec_parse(file + pos, (size_t)size - pos, &rec, &need) == 0) {
		if (rec.type == SL_REC_MESSAGE && n < max) {
			memcpy(&ids[n++], rec.data + 4, 4);
		}
		pos += rec.size_bytes;
	}
	return n;
}

/* A resource announced right behind a command buffer is answered before the commands run. */
static void test_create_overtakes_commands(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	uint32_t ids[8];

	o.record_fd = memfd_create("recording", MFD_CLOEXEC);
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	send_create2(7, 16, 16, 1024);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 1);
	run_ok();
	close(expect_fd());
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	assert_int_equal(recorded_ids(o.record_fd, ids, 8), 5);
	assert_int_equal(ids[2], SL_VTEST_RESOURCE_CREATE2);
	assert_int_equal(ids[3], SL_VTEST_SUBMIT_CMD);
	assert_int_equal(ids[4], SL_VTEST_RESOURCE_BUSY_WAIT);
	assert_int_equal(faults(), 0);
	close(o.record_fd);
}

/* Nothing else does, and nothing that is not all there. */
static void test_nothing_else_overtakes_commands(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	const uint32_t create[] = { 11, SL_VTEST_RESOURCE_CREATE2, 8, TARGET_2D, R8G8B8A8, 2, 16,
		16, 1, 1, 0, 0, 1024 };
	uint32_t ids[8];

	o.record_fd = memfd_create("recording", MFD_CLOEXEC);
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	close(create2(7, 16, 16, 1024));
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	SEND(SL_VTEST_RESOURCE_UNREF, 7);
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	sl_memory_write(rig.client, create, 12);
	run_ok();
	sl_memory_write(rig.client, create + 3, sizeof(create) - 12);
	run_ok();
	close(expect_fd());
	assert_int_equal(recorded_ids(o.record_fd, ids, 8), 7);
	assert_int_equal(ids[3], SL_VTEST_SUBMIT_CMD);
	assert_int_equal(ids[4], SL_VTEST_RESOURCE_UNREF);
	assert_int_equal(ids[5], SL_VTEST_SUBMIT_CMD);
	assert_int_equal(ids[6], SL_VTEST_RESOURCE_CREATE2);
	close(o.record_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_end_between_messages),
		T(test_end_behind_commands),
		T(test_end_within_a_message),
		T(test_end_within_a_skipped_upload),
		T(test_message_never_finished),
		T(test_idle_client_has_no_deadline),
		T(test_client_that_does_not_read),
		T(test_client_that_reads_slowly),
		T(test_client_that_has_gone),
		T(test_single_bytes),
		cmocka_unit_test(test_extreme_fields),
		T(test_recording),
		T(test_recording_leaves_readback_out),
		T(test_create_overtakes_commands),
		T(test_nothing_else_overtakes_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
