/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See stories.h. What the bytes of a script mean, the targets' files say. */
#include "tests/fuzz/stories.h"

#include <stdio.h>
#include <string.h>

#include "tests/fuzz/own_words.h"

enum { PER_STORY = 12 }; /* recorded frames */

static struct story of_message[STORIES_MAX], of_session[STORIES_MAX], of_endpoint[STORIES_MAX];

struct target targets[3] = {{"message", fuzz_message, 0, 0, of_message},
                            {"session", fuzz_session, 0, 0, of_session},
                            {"endpoint", fuzz_endpoint, 0, 0, of_endpoint}};

/* ------------------------------------------------------------------ writing scripts */

static void put(struct story *story, const uint8_t *bytes, size_t length)
{
    fuzz_must(story->length + length <= FUZZ_INPUT_MAX, "a story is no longer than a script");
    memcpy(story->bytes + story->length, bytes, length);
    story->length += length;
}

#define PUT(story, ...)                                                                            \
    put(story, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct story *begin(struct target *target)
{
    fuzz_must(target->count < STORIES_MAX, "there is room for one more story");
    struct story *story = &target->stories[target->count++];
    story->length = 0;
    return story;
}

/* A frame as it was recorded. */
static void put_raw(struct story *story, const uint8_t *frame, size_t length)
{
    PUT(story, 0, (uint8_t)(length >> 8), (uint8_t)length);
    put(story, frame, length);
}

/* ------------------------------------------------------------------ the stories */

/* A connection that stands, one message digest or none. */
static struct story *begin_session(unsigned kind)
{
    struct story *story = begin(&targets[1]);
    PUT(story, (uint8_t)(kind | 4));
    return story;
}

/* In the state number `state` of the target's list, with a partner in the state `partner` of it; the
   handshake, its STATE, and all is durable. */
static struct story *begin_endpoint(unsigned kind, unsigned extras, unsigned state, unsigned partner)
{
    struct story *story = begin(&targets[2]);
    PUT(story, (uint8_t)kind, (uint8_t)extras, (uint8_t)state, (uint8_t)partner, 0, 100);
    PUT(story, 0, 0, 1);                         /* a moment: it begins to connect */
    PUT(story, 12, 15, 15);                      /* handshake; twice durable */
    PUT(story, 5, (uint8_t)partner, 0, 0, 50);   /* STATE */
    PUT(story, 15, 15);
    return story;
}

static bool fits_endpoint(uint8_t type)
{
    return type != FO_MSG_BNDACK && type != FO_MSG_CONNECT && type != FO_MSG_CONNECTACK &&
           type != FO_MSG_UPDDONE && type != FO_MSG_POOLRESP;
}

static struct story *session_story, *endpoint_story;
static unsigned told, told_endpoint;

static void tell(const uint8_t *frame, size_t length)
{
    if (targets[0].count < STORIES_MAX)
        put_raw(begin(&targets[0]), frame, length);
    if (told++ % PER_STORY == 0)
        session_story = begin_session(told / PER_STORY);
    PUT(session_story, 5);
    put_raw(session_story, frame, length);
    PUT(session_story, (uint8_t)(told % 2), 8); /* pieces of 9 or 265 bytes */
    if (!fits_endpoint(frame[2]))
        return;
    if (told_endpoint++ % PER_STORY == 0) {
        const unsigned n = told_endpoint / PER_STORY;
        endpoint_story = begin_endpoint(n % 64, n % 16, n % 12, n / 5 % 11);
    }
    PUT(endpoint_story, 7);
    put_raw(endpoint_story, frame, length);
    PUT(endpoint_story, 4, (uint8_t)told, 1, 0, 15); /* a change here, an answer, a commit */
}

/* ------------------------------------------------------------------ stories of our own */

/* What these bytes are, fuzz.c and the targets say. */
enum { HEAR = 7, CHANGE = 4, DESCRIBED = 1, ADDRESS_OPTION = 1, STATUS_OPTION = 2, AN_ADDRESS = 2,
       NO_XID_OF_OURS = 200, IN_NORMAL = 1, WITH_NORMAL = 0 };

static uint8_t type_byte(enum fo_message_type type)
{
    return (uint8_t)(type - 1);
}

/* Updates without an answer, until the window is full, and one more. */
static void tell_window(unsigned kind)
{
    struct story *story = begin_endpoint(kind, kind / 13, IN_NORMAL, WITH_NORMAL);
    for (uint8_t i = 0; i < 5; i++)
        PUT(story, HEAR, DESCRIBED, type_byte(FO_MSG_BNDUPD), NO_XID_OF_OURS, 0, 2, 1, i,
            ADDRESS_OPTION, AN_ADDRESS, i, STATUS_OPTION, FO_ACTIVE);
}

/* The answer to a BNDUPD of one binding, that of the `which`th message sent. */
static void tell_answer(unsigned kind, uint8_t which)
{
    struct story *story = begin_endpoint(kind, kind / 13, IN_NORMAL, WITH_NORMAL);
    PUT(story, CHANGE, 3);
    for (int twice = 0; twice < 2; twice++)
        PUT(story, HEAR, DESCRIBED, type_byte(FO_MSG_BNDACK), which, 0, 1, ADDRESS_OPTION, AN_ADDRESS, 3);
}

/* All bindings are asked for and told in one message, whose answer names one of them twice. */
static void tell_answers(unsigned kind, uint8_t which)
{
    struct story *story = begin_endpoint(kind, kind / 13, IN_NORMAL, WITH_NORMAL);
    PUT(story, HEAR, DESCRIBED, type_byte(FO_MSG_UPDREQALL), NO_XID_OF_OURS, 0, 0, 1, 1);
    PUT(story, HEAR, DESCRIBED, type_byte(FO_MSG_BNDACK), which, 0, FUZZ_BINDINGS);
    for (uint8_t i = 0; i < FUZZ_BINDINGS; i++)
        PUT(story, ADDRESS_OPTION, AN_ADDRESS, i > 0 ? i : (uint8_t)(i + 1));
}

static void tell_own(void)
{
    for (unsigned kind = 0; kind < 64; kind += 13) { /* either role, several pasts */
        tell_window(kind);
        for (uint8_t which = 1; which < 5; which++) {
            tell_answer(kind, which);
            tell_answers(kind, which);
        }
    }
}

/* ------------------------------------------------------------------ what two of us say */

static struct story *to_session[2], *to_endpoint[2]; /* of what the secondary says, and the primary */

static void tell_session(bool by_primary, const uint8_t *frame, size_t length)
{
    put_raw(begin(&targets[0]), frame, length);
    PUT(to_session[by_primary], 5);
    put_raw(to_session[by_primary], frame, length);
    PUT(to_session[by_primary], 0, 40); /* pieces of 41 bytes */
}

static void tell_endpoint(bool by_primary, const uint8_t *frame, size_t length)
{
    if (!fits_endpoint(frame[2]) || frame[2] == FO_MSG_DISCONNECT)
        return;
    PUT(to_endpoint[by_primary], HEAR);
    put_raw(to_endpoint[by_primary], frame, length);
    PUT(to_endpoint[by_primary], 1, 0, 15); /* an answer, and all is durable */
}

/* To a session, the handshake as well: its nonces are the same in each. To an endpoint, unsigned: its honest
   session signs. */
static void tell_own_words(unsigned extras)
{
    const unsigned kind = (extras & FUZZ_SIGNS ? 2U : 0U) | (extras & FUZZ_SERVES ? 8U : 0U) |
                          (extras & FUZZ_WIDE ? 16U : 0U) | (extras & FUZZ_POOLS ? 0U : 32U);
    for (unsigned by_primary = 0; by_primary < 2; by_primary++) {
        to_session[by_primary] = begin(&targets[1]);
        PUT(to_session[by_primary], (uint8_t)(kind | !by_primary));
        to_endpoint[by_primary] = begin_endpoint(16 | !by_primary, extras, IN_NORMAL, WITH_NORMAL);
    }
    own_words(extras, tell_session);
    own_words(extras & ~(unsigned)FUZZ_SIGNS, tell_endpoint);
}

/* ------------------------------------------------------------------ recordings */

static unsigned digit(char letter)
{
    return letter <= '9' ? (unsigned)(letter - '0') : (unsigned)(letter - 'a' + 10);
}

static void tell_recording(const char *top, const char *name)
{
    static char line[2 * FO_MESSAGE_MAX + 2];
    uint8_t frame[FO_MESSAGE_MAX];
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/data/%s", top, name);
    FILE *file = fopen(path, "r");
    fuzz_must(file != NULL, "tests/data can be read");
    while (fgets(line, sizeof line, file) != NULL) {
        const size_t length = strspn(line, "0123456789abcdef") / 2;
        for (size_t i = 0; i < length; i++)
            frame[i] = (uint8_t)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
        if (length >= FO_HEADER_SIZE)
            tell(frame, length);
    }
    fclose(file);
}

void tell_stories(const char *top)
{
    for (unsigned extras = 0; extras < 16; extras += 3) /* each bit with each other */
        tell_own_words(extras);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        targets[i].own = targets[i].count;
    tell_own();
    tell_recording(top, "dhcpd-others.hex");
    tell_recording(top, "dhcpd-leases.hex");
    tell_recording(top, "dhcpd-recover.hex");
}
