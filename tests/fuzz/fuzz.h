/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the fuzzing targets share. A target takes arbitrary bytes as the script of a story: which
 * frames come, in which order, what else happens between them. It ends the process where something
 * is not as it must be; whatever else a story does is right.
 *
 * Bytes alone would hardly ever be a frame, so a script can also describe one: a header that is right, and
 * options of which each has a length that the draft allows, with values near those that matter. It
 * is still any option in any message, any number of times.
 */
#ifndef FO_TESTS_FUZZ_FUZZ_H
#define FO_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/session.h"

enum {
    FUZZ_INPUT_MAX = 8192,  /* bytes of a script; more only repeats what was there */
    FUZZ_BASE = 0x0a000000, /* the first address of the partner's and ours, ... */
    FUZZ_BINDINGS = 16,     /* ... and how many */
    FUZZ_SECONDS = 1700000000,
    FUZZ_MCLT = 3600,
    FUZZ_WINDOW = 50,
};

/* The script, as far as it is not read. Beyond its end there are zeros. */
struct fuzz_script {
    const uint8_t *data;
    size_t left;
};

/* What values of a described frame may be near to. */
struct fuzz_known {
    uint32_t seconds; /* now */
    uint32_t xids[16];
    unsigned xid_count;
};

uint32_t fuzz_number(struct fuzz_script *script, unsigned bytes);
/* Takes up to `most` bytes; how many is in the script. They live as long as the script. */
struct fo_bytes fuzz_bytes(struct fuzz_script *script, size_t most);
/* The next frame of the script, raw or described, into `frame` (FO_MESSAGE_MAX bytes). Returns its
   length, which may be 0. */
size_t fuzz_frame(struct fuzz_script *script, const struct fuzz_known *known, uint8_t *frame);
/* Remembers the xid of a frame that was sent, for answers to it. Ends the process where fo_decode would
   not take this frame; `message` is what it says. */
void fuzz_sent(struct fuzz_known *known, const uint8_t *frame, size_t length,
               struct fo_message *message);

/* What one of us does beside, and tells its partner. */
enum { FUZZ_SIGNS = 1, FUZZ_SERVES = 2, FUZZ_POOLS = 4, FUZZ_WIDE = 8 /* a large window, a lowered MCLT */ };
/* No hash at all, but it depends on all bytes: whoever signs by it is the partner. */
extern const struct fo_digest fuzz_digest;
/* One of us, with FUZZ_ bits, to which another belongs that is made with the same ones. */
struct fo_session_settings fuzz_settings(bool primary, unsigned extras);

/* Messages that the connection of the last script has passed on; CONTACT is among them only where something is
   told by it. */
extern unsigned fuzz_taken;

/* Ends the process with words where `holds` is false. */
void fuzz_must(bool holds, const char *what);

/* The targets. Each takes any bytes, and leaves nothing behind. */
void fuzz_message(const uint8_t *data, size_t size);
void fuzz_session(const uint8_t *data, size_t size);
void fuzz_endpoint(const uint8_t *data, size_t size);

#endif
