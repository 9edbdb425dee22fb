/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzzing: it must be that %s\n", what);
    abort();
}

/* ------------------------------------------------------------------ two of us */

unsigned fuzz_taken;

static bool compute(void *context, const struct fo_bytes pieces[], size_t count, uint8_t *hash)
{
    (void)context;
    memset(hash, 0, FO_DIGEST_MAX);
    for (size_t piece = 0, at = 0; piece < count; piece++)
        for (size_t i = 0; i < pieces[piece].length; i++, at++)
            hash[at % FO_DIGEST_MAX] = (uint8_t)(hash[at % FO_DIGEST_MAX] * 31 + pieces[piece].data[i]);
    return true;
}

const struct fo_digest fuzz_digest = {FO_DIGEST_HMAC_SHA256, NULL, compute};

struct fo_session_settings fuzz_settings(bool primary, unsigned extras)
{
    struct fo_session_settings settings = {
        .dialect = &fo_dialect_draft, .relationship_name = "east", .vendor_class = "maker 1",
        .primary = primary, .mclt = FUZZ_MCLT,
        .max_unacked = extras & FUZZ_WIDE ? 2 * FO_WINDOW_TOLD_MAX : FUZZ_WINDOW,
        .receive_timer = 60, .max_clock_skew = 60,
        .digest = extras & FUZZ_SIGNS ? &fuzz_digest : NULL,
        .lead_time = extras & FUZZ_WIDE ? 2 * FUZZ_MCLT : 0};
    if (extras & FUZZ_POOLS)
        fo_ranges_append(&settings.pools, FUZZ_BASE, FUZZ_BASE + FUZZ_BINDINGS - 1);
    if (extras & FUZZ_SERVES)
        settings.serving = (struct fo_serving){FO_MODE_LOAD_BALANCING, FO_HASH_IDENTIFIER};
    settings.nonce[0] = primary;
    return settings;
}

/* ------------------------------------------------------------------ reading the script */

uint32_t fuzz_number(struct fuzz_script *script, unsigned bytes)
{
    uint32_t number = 0;
    while (bytes-- > 0) {
        uint8_t next = 0;
        if (script->left > 0) {
            next = *script->data++;
            script->left--;
        }
        number = number << 8 | next;
    }
    return number;
}

struct fo_bytes fuzz_bytes(struct fuzz_script *script, size_t most)
{
    size_t length = fuzz_number(script, 2);
    if (length > most)
        length = most;
    if (length > script->left)
        length = script->left;
    const struct fo_bytes bytes = {script->data, (uint16_t)length};
    script->data += length;
    script->left -= length;
    return bytes;
}

/* ------------------------------------------------------------------ a described frame */

enum { ANY = UINT16_MAX };

/* The lengths that an option may have. */
static const struct {
    uint16_t least, most;
} lengths[FO_OPT_LAST + 2] = {
#define FO_OPTION(code, name, form, least, most, outside, inside, message_field, update_field)     \
    [FO_OPT_##code] = {least, most},
#include "protocol/message_options.def"
#undef FO_OPTION
    [FO_OPT_LAST + 1] = {0, ANY}, /* one that nobody knows */
};

static void put(uint8_t *at, uint32_t number, unsigned bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (uint8_t)number;
        number >>= 8;
    }
}

/* Four bytes: any, a moment near now, one of the addresses, or a small number. */
static uint32_t near_something(struct fuzz_script *script, const struct fuzz_known *known)
{
    switch (fuzz_number(script, 1) % 4) {
    case 0:
        return fuzz_number(script, 4);
    case 1:
        return known->seconds - 32768 + fuzz_number(script, 2);
    case 2:
        return FUZZ_BASE + fuzz_number(script, 1) % (FUZZ_BINDINGS + 1);
    default:
        return fuzz_number(script, 1);
    }
}

/* One option at `at`, of which `room` bytes are left; its length, 0 where it does not fit. */
static size_t put_option(struct fuzz_script *script, const struct fuzz_known *known, uint8_t *at,
                         size_t room)
{
    const uint16_t code = (uint16_t)(1 + fuzz_number(script, 1) % (FO_OPT_LAST + 1));
    const uint16_t least = lengths[code].least, most = lengths[code].most;
    size_t length = least;
    if (least != most) {
        length += fuzz_number(script, 1) % 32;
        length = length > most ? most : length;
    }
    if (4 + length > room)
        return 0;
    put(at, code, 2);
    put(at + 2, (uint32_t)length, 2);
    if (length == 4)
        put(at + 4, near_something(script, known), 4);
    else
        for (size_t i = 0; i < length; i++)
            at[4 + i] = (uint8_t)fuzz_number(script, 1);
    return 4 + length;
}

static size_t describe_frame(struct fuzz_script *script, const struct fuzz_known *known,
                             uint8_t *frame)
{
    const uint32_t type = 1 + fuzz_number(script, 1) % 13, which = fuzz_number(script, 1);
    const uint32_t late = fuzz_number(script, 1), options = fuzz_number(script, 1) % 32;
    size_t length = FO_HEADER_SIZE;
    frame[2] = (uint8_t)type;
    frame[3] = FO_HEADER_SIZE;
    put(frame + 4, known->seconds - (late & 15), 4);
    put(frame + 8, which < 128 && known->xid_count > 0
                       ? known->xids[which % (known->xid_count < 16 ? known->xid_count : 16U)]
                       : fuzz_number(script, 2), 4);
    for (uint32_t i = 0; i < options; i++)
        length += put_option(script, known, frame + length, FO_MESSAGE_MAX - length);
    put(frame, (uint32_t)length, 2);
    return length;
}

size_t fuzz_frame(struct fuzz_script *script, const struct fuzz_known *known, uint8_t *frame)
{
    if (fuzz_number(script, 1) & 3)
        return describe_frame(script, known, frame);
    const struct fo_bytes raw = fuzz_bytes(script, FO_MESSAGE_MAX);
    if (raw.length > 0)
        memcpy(frame, raw.data, raw.length);
    return raw.length;
}

void fuzz_sent(struct fuzz_known *known, const uint8_t *frame, size_t length,
               struct fo_message *message)
{
    struct fo_decode_error error;
    fuzz_must((size_t)fo_frame_length(frame, length) == length, "a frame is sent whole");
    fuzz_must(fo_decode(&fo_dialect_draft, frame, length, message, &error),
              "what is sent can be decoded");
    known->xids[known->xid_count++ % 16] = message->xid;
}
