/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One connection, as primary or secondary, with message digests or without: frames in pieces, time,
 * messages sent, the end from either side. A second session, which is honest, says the first word for
 * the partner where the script wants a connection that stands.
 *
 * The host must hear of an end once, and of nothing after it; of messages only while the connection
 * stands; and a timer that was due must not be due again at once.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

struct side {
    struct fo_session session;
    struct fo_session_settings settings;
    unsigned ended;
    bool established;
    size_t length; /* of the last frame sent */
    uint8_t frame[FO_MESSAGE_MAX];
};

static struct side self, partner;
static struct fuzz_known known;
static struct fo_now now;
static struct fo_message message;

/* ------------------------------------------------------------------ hosts */

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    struct side *side = context;
    struct fo_message sent;
    memcpy(side->frame, frame, length);
    side->length = length;
    if (side == &self) {
        fuzz_must(side->ended == 0, "nothing is sent after the end");
        fuzz_sent(&known, frame, length, &sent);
    }
    return true;
}

static void on_established(void *context, const struct fo_now *at)
{
    (void)at;
    ((struct side *)context)->established = true;
}

static void on_received(void *context, const struct fo_message *received, const struct fo_now *at)
{
    struct side *side = context;
    (void)at;
    fuzz_must(side->ended == 0 && side->session.phase == FO_SESSION_ESTABLISHED,
              "a message is passed on only by a connection that stands");
    fuzz_must(received->type != FO_MSG_CONNECT && received->type != FO_MSG_CONNECTACK &&
                  received->type != FO_MSG_DISCONNECT,
              "the session keeps its own messages to itself");
    fuzz_taken += side == &self;
}

static void on_ended(void *context, const struct fo_session_end *end, const struct fo_now *at)
{
    (void)at;
    fuzz_must(++((struct side *)context)->ended == 1, "a session ends once");
    fuzz_must(end->text[0] != '\0', "an end is told in words");
}

/* ------------------------------------------------------------------ the beginning */

static void prepare(struct side *side, bool primary, unsigned extras)
{
    memset(side, 0, sizeof *side);
    side->settings = fuzz_settings(primary, extras);
}

static struct fo_session_host host_of(struct side *side)
{
    return (struct fo_session_host){side, on_send, on_established, on_received, on_ended};
}

/* What the secondary does with the first frame of a connection. */
static void accept_frame(struct side *side, const uint8_t *frame, size_t length)
{
    struct fo_decode_error error;
    struct fo_session_end end;
    char text[160];
    const struct fo_session_host host = host_of(side);
    if (side->session.phase != FO_SESSION_CLOSED || side->ended > 0 || length < FO_HEADER_SIZE ||
        !fo_decode(&fo_dialect_draft, frame, length, &message, &error) ||
        message.type != FO_MSG_CONNECT)
        return;
    if (side->settings.digest != NULL &&
        fo_session_admit(&side->settings, &message, frame, length, text, sizeof text) != FO_REJECT_NONE)
        return;
    side->established = fo_session_accept(&side->session, &side->settings, &host, &message, &now, &end);
}

/* The partner's first word, honest. */
static void shake_hands(void)
{
    struct fo_session_host host = host_of(&partner);
    memset(&partner.session, 0, sizeof partner.session);
    partner.ended = 0;
    if (partner.settings.primary) {
        fo_session_connect(&partner.session, &partner.settings, &host, &now);
        accept_frame(&self, partner.frame, partner.length);
    } else if (self.session.phase == FO_SESSION_CONNECT_SENT) {
        accept_frame(&partner, self.frame, self.length);
        fo_session_receive(&self.session, partner.frame, partner.length, &now);
    }
}

/* ------------------------------------------------------------------ the story */

static void hear(struct fuzz_script *script)
{
    uint8_t frame[FO_MESSAGE_MAX];
    const size_t length = fuzz_frame(script, &known, frame), piece = 1 + fuzz_number(script, 2);
    if (self.settings.primary || self.established) {
        for (size_t at = 0; at < length; at += piece)
            fo_session_receive(&self.session, frame + at, length - at < piece ? length - at : piece,
                               &now);
    } else {
        accept_frame(&self, frame, length);
    }
}

static void say(struct fuzz_script *script)
{
    uint8_t frame[FO_MESSAGE_MAX];
    struct fo_decode_error error;
    const size_t length = fuzz_frame(script, &known, frame);
    if (self.session.phase == FO_SESSION_ESTABLISHED && self.ended == 0 &&
        length >= FO_HEADER_SIZE && (size_t)fo_frame_length(frame, length) == length &&
        fo_decode(&fo_dialect_draft, frame, length, &message, &error) &&
        message.type > FO_MSG_CONNECTACK && message.type < FO_MSG_DISCONNECT &&
        !(message.present & FO_HAS(FO_OPT_MESSAGE_DIGEST)) &&
        fo_encode(&fo_dialect_draft, &message, frame, FO_MESSAGE_MAX - FO_DIGEST_OPTION_MAX) != 0)
        fo_session_send(&self.session, &message, fuzz_number(script, 1) & 1, &now);
}

static void pass_time(struct fuzz_script *script)
{
    now.ms += fuzz_number(script, 2);
    now.seconds = (uint32_t)(FUZZ_SECONDS + now.ms / 1000);
    known.seconds = now.seconds;
    fo_session_timer(&self.session, &now);
    fuzz_must(fo_session_deadline(&self.session) > now.ms, "what was due is done");
}

static void tell_pools(struct fuzz_script *script)
{
    struct fo_ranges pools;
    const struct fo_bytes bytes = fuzz_bytes(script, FO_RANGES_MAX * FO_RANGE_SIZE + 1);
    if (fo_ranges_read(&pools, bytes.data, bytes.length))
        fo_session_tell_pools(&self.session, &pools, &now);
}

static void tell_more(struct fuzz_script *script)
{
    const uint32_t what = fuzz_number(script, 1) % 4;
    if (self.session.phase != FO_SESSION_ESTABLISHED)
        return;
    if (what == 0) {
        fo_session_tell_count(&self.session, fuzz_number(script, 4), &now);
    } else if (what == 1) {
        const struct fo_serving serving = {(uint8_t)fuzz_number(script, 1),
                                           (uint8_t)fuzz_number(script, 1)};
        fo_session_tell_serving(&self.session, &serving, &now);
    } else {
        tell_pools(script);
    }
}

static void one_step(struct fuzz_script *script)
{
    switch (fuzz_number(script, 1) % 8) {
    case 0:
        pass_time(script);
        break;
    case 1:
        say(script);
        break;
    case 2:
        tell_more(script);
        break;
    case 3:
        shake_hands();
        break;
    case 4:
        if (fuzz_number(script, 1) % 2)
            fo_session_lost(&self.session, "the cable was pulled", &now);
        else if (self.session.phase != FO_SESSION_CLOSED)
            fo_session_close(&self.session, FO_REJECT_OTHER, "for a reason", &now);
        break;
    default:
        hear(script);
        break;
    }
}

void fuzz_session(const uint8_t *data, size_t size)
{
    struct fuzz_script script = {data, size < FUZZ_INPUT_MAX ? size : FUZZ_INPUT_MAX};
    const uint32_t kind = fuzz_number(&script, 1);
    now = (struct fo_now){.ms = 1000, .seconds = FUZZ_SECONDS + 1};
    known = (struct fuzz_known){.seconds = now.seconds};
    const unsigned extras = (kind & 2 ? FUZZ_SIGNS : 0U) | (kind & 8 ? FUZZ_SERVES : 0U) |
                            (kind & 16 ? FUZZ_WIDE : 0U) | (kind & 32 ? 0U : FUZZ_POOLS);
    fuzz_taken = 0;
    prepare(&self, kind & 1, extras);
    prepare(&partner, !(kind & 1), extras);
    if (self.settings.primary) {
        const struct fo_session_host host = host_of(&self);
        fo_session_connect(&self.session, &self.settings, &host, &now);
    }
    if (kind & 4)
        shake_hands();
    while (script.left > 0)
        one_step(&script);
}
