/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* A binary heap in an array, the earliest at 0. */
#include "hook/heap.h"

void fo_heap_init(struct fo_heap *heap, const struct fo_env *env)
{
    *heap = (struct fo_heap){.env = env};
}

void fo_heap_free(struct fo_heap *heap)
{
    if (heap->env != NULL)
        heap->env->release(heap->env->context, heap->entries);
    heap->entries = NULL;
    heap->count = heap->capacity = 0;
}

bool fo_heap_push(struct fo_heap *heap, uint32_t when, uint32_t value)
{
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity ? heap->capacity + heap->capacity / 4 : 64;
        struct fo_heap_entry *entries = heap->env->reallocate(
            heap->env->context, heap->entries, capacity * sizeof *entries);
        if (entries == NULL)
            return false;
        heap->entries = entries;
        heap->capacity = capacity;
    }
    size_t at = heap->count++;
    while (at > 0 && heap->entries[(at - 1) / 2].when > when) {
        heap->entries[at] = heap->entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->entries[at] = (struct fo_heap_entry){when, value};
    return true;
}

const struct fo_heap_entry *fo_heap_top(const struct fo_heap *heap)
{
    return heap->count ? &heap->entries[0] : NULL;
}

void fo_heap_pop(struct fo_heap *heap)
{
    if (heap->count == 0)
        return;
    struct fo_heap_entry last = heap->entries[--heap->count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < heap->count) {
        if (child + 1 < heap->count && heap->entries[child + 1].when < heap->entries[child].when)
            child++;
        if (heap->entries[child].when >= last.when)
            break;
        heap->entries[at] = heap->entries[child];
        at = child;
    }
    if (heap->count > 0)
        heap->entries[at] = last;
}
