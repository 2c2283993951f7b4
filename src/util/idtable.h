/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A map from the 32-bit ids that clients use to objects of ours. Open addressing; any id but 0
 * may be used, and how ids are chosen does not matter (the hash is mixed).
 */
struct sl_idtable {
	struct sl_idtable_slot *slots;
	size_t n_slots; /* a power of two, or 0 before the first insertion */
	size_t n_used;  /* live entries */
	size_t n_dead;  /* tombstones */
};

void sl_idtable_fini(struct sl_idtable *t);

/* The object with this id, or NULL. */
void *sl_idtable_get(const struct sl_idtable *t, uint32_t id);

/* 0, -EINVAL for id 0, -EEXIST, or -ENOMEM. The table does not own @obj, which is not NULL. */
int sl_idtable_insert(struct sl_idtable *t, uint32_t id, void *obj);

/* Remove and return the object, or NULL if there was none. */
void *sl_idtable_remove(struct sl_idtable *t, uint32_t id);

static inline size_t sl_idtable_count(const struct sl_idtable *t)
{
	return t->n_used;
}

/*
 * Walk the table: *cursor starts at 0, each call returns the next object (or NULL at the end).
 * Removing the object just returned is allowed during a walk; inserting is not.
 */
void *sl_idtable_next(const struct sl_idtable *t, size_t *cursor, uint32_t *ret_id);
