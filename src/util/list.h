/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"

/* A circular, intrusive, doubly linked list. An unlinked node points at itself. */
struct sl_list {
	struct sl_list *prev, *next;
};

static inline void sl_list_init(struct sl_list *l)
{
	l->prev = l->next = l;
}

static inline bool sl_list_empty(const struct sl_list *l)
{
	return l->next == l;
}

static inline void sl_list_insert_before(struct sl_list *pos, struct sl_list *node)
{
	node->prev = pos->prev;
	node->next = pos;
	pos->prev->next = node;
	pos->prev = node;
}

static inline void sl_list_append(struct sl_list *head, struct sl_list *node)
{
	sl_list_insert_before(head, node);
}

static inline void sl_list_prepend(struct sl_list *head, struct sl_list *node)
{
	sl_list_insert_before(head->next, node);
}

/* Unlink @node and leave it initialised, so that a second removal does no harm. */
static inline void sl_list_remove(struct sl_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	sl_list_init(node);
}

#define sl_list_entry(node, type, member) sl_container_of(node, type, member)

#define sl_list_for_each(var, head, member)                                                        \
	for (var = sl_list_entry((head)->next, __typeof__(*var), member); &var->member != (head);  \
		var = sl_list_entry(var->member.next, __typeof__(*var), member))

/* As above; the body may remove and free @var. */
#define sl_list_for_each_safe(var, tmp, head, member)                                              \
	for (var = sl_list_entry((head)->next, __typeof__(*var), member),                          \
	    tmp = sl_list_entry(var->member.next, __typeof__(*var), member);                       \
		&var->member != (head);                                                            \
		var = tmp, tmp = sl_list_entry(tmp->member.next, __typeof__(*tmp), member))
