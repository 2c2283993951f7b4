/* SPDX-License-Identifier: MIT */
/*
 * Id tables: client-chosen 32-bit ids to objects. Linear probing with tombstones; it grows at
 * three quarters full, tombstones counted, so that a probe always ends at an empty slot.
 */
#include <errno.h>
#include <stdlib.h>

#include "util/idtable.h"

struct sl_idtable_slot {
	uint32_t id; /* 0: never used */
	void *obj;   /* NULL with id != 0: tombstone */
};

#define MIN_SLOTS 16

static size_t slot_of(const struct sl_idtable *t, uint32_t id)
{
	uint32_t h = id * 0x9e3779b1u;

	return (h ^ (h >> 15)) & (t->n_slots - 1);
}

void sl_idtable_fini(struct sl_idtable *t)
{
	free(t->slots);
	*t = (struct sl_idtable){};
}

static struct sl_idtable_slot *find(const struct sl_idtable *t, uint32_t id)
{
	size_t i;

	if (t->n_slots == 0 || id == 0) {
		return NULL;
	}
	for (i = slot_of(t, id); t->slots[i].id != 0; i = (i + 1) & (t->n_slots - 1)) {
		if (t->slots[i].id == id && t->slots[i].obj) {
			return &t->slots[i];
		}
	}
	return NULL;
}

void *sl_idtable_get(const struct sl_idtable *t, uint32_t id)
{
	struct sl_idtable_slot *s = find(t, id);

	return s ? s->obj : NULL;
}

static void place(struct sl_idtable *t, uint32_t id, void *obj)
{
	size_t i = slot_of(t, id);

	while (t->slots[i].obj) {
		i = (i + 1) & (t->n_slots - 1);
	}
	if (t->slots[i].id != 0) {
		t->n_dead--;
	}
	t->slots[i] = (struct sl_idtable_slot){ .id = id, .obj = obj };
	t->n_used++;
}

static int rehash(struct sl_idtable *t)
{
	struct sl_idtable old = *t;
	size_t n = MIN_SLOTS;

	while (n < (old.n_used + 1) * 2) {
		n *= 2;
	}
	t->slots = calloc(n, sizeof(*t->slots));
	if (!t->slots) {
		*t = old;
		return -ENOMEM;
	}
	t->n_slots = n;
	t->n_used = t->n_dead = 0;
	for (size_t i = 0; i < old.n_slots; i++) {
		if (old.slots[i].obj) {
			place(t, old.slots[i].id, old.slots[i].obj);
		}
	}
	free(old.slots);
	return 0;
}

int sl_idtable_insert(struct sl_idtable *t, uint32_t id, void *obj)
{
	int r;

	if (id == 0 || !obj) {
		return -EINVAL;
	}
	if (find(t, id)) {
		return -EEXIST;
	}
	if ((t->n_used + t->n_dead + 1) * 4 > t->n_slots * 3) {
		r = rehash(t);
		if (r < 0) {
			return r;
		}
	}
	place(t, id, obj);
	return 0;
}

void *sl_idtable_remove(struct sl_idtable *t, uint32_t id)
{
	struct sl_idtable_slot *s = find(t, id);
	void *obj;

	if (!s) {
		return NULL;
	}
	obj = s->obj;
	s->obj = NULL;
	t->n_used--;
	t->n_dead++;
	return obj;
}

void *sl_idtable_next(const struct sl_idtable *t, size_t *cursor, uint32_t *ret_id)
{
	for (; *cursor < t->n_slots; (*cursor)++) {
		struct sl_idtable_slot *s = &t->slots[*cursor];

		if (s->obj) {
			(*cursor)++;
			if (ret_id) {
				*ret_id = s->id;
			}
			return s->obj;
		}
	}
	return NULL;
}
