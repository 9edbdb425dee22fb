/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Scripts to begin with: what two of us say (own_words.h), what real servers of another make said
 * (tests/data), told to each target as its script wants it, after a handshake and a STATE where there must be one. libFuzzer changes and joins them;
 * `make check` does a little of the same.
 */
#ifndef FO_TESTS_FUZZ_STORIES_H
#define FO_TESTS_FUZZ_STORIES_H

#include "tests/fuzz/fuzz.h"

enum { STORIES_MAX = 600 };

struct story {
    size_t length;
    uint8_t bytes[FUZZ_INPUT_MAX];
};

/* A target with its stories. */
struct target {
    const char *name;
    void (*run)(const uint8_t *data, size_t size);
    size_t count;
    size_t own; /* the first of them, which tell what two of us say */
    struct story *stories; /* STORIES_MAX */
};

extern struct target targets[3];

/* Reads the recordings below `top`, the directory of the sources, and tells them. Ends the process
   with words where they cannot be read. */
void tell_stories(const char *top);

#endif
