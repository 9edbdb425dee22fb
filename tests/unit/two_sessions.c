/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See two_sessions.h. */
#include "tests/unit/two_sessions.h"

#include <check.h>
#include <string.h>

struct end p, s;
struct fo_now now = {.ms = 5000, .seconds = SECONDS};
struct fo_message sent;

bool put_out(struct end *end, const uint8_t *frame, size_t length)
{
    ck_assert_uint_le(end->length + length, OUT_MAX);
    if (end->full)
        return false;
    memcpy(end->out + end->length, frame, length);
    end->length += length;
    return true;
}

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    return put_out(context, frame, length);
}

static void on_established(void *context, const struct fo_now *at)
{
    (void)at;
    ((struct end *)context)->established++;
}

static void on_received(void *context, const struct fo_message *message, const struct fo_now *at)
{
    struct end *end = context;
    (void)at;
    ck_assert_uint_eq(end->ended, 0);
    end->received++;
    end->order = end->order * 31 + message->xid;
}

static void on_ended(void *context, const struct fo_session_end *why, const struct fo_now *at)
{
    struct end *end = context;
    (void)at;
    end->ended++;
    end->why = *why;
}

static struct fo_session_host host_of(struct end *end)
{
    return (struct fo_session_host){end, on_send, on_established, on_received, on_ended};
}

void setup(void)
{
    memset(&p, 0, sizeof p);
    memset(&s, 0, sizeof s);
    p.settings = (struct fo_session_settings){
        .dialect = &fo_dialect_draft, .relationship_name = "east", .vendor_class = "maker 1",
        .primary = true, .mclt = 3600, .max_unacked = 50, .receive_timer = RECEIVE_TIMER,
        .max_clock_skew = 60, .own_connections = 7, .partner_connections = 9};
    memset(p.settings.secondary_buckets, 0xf0, FO_HBA_SIZE);
    s.settings = p.settings;
    s.settings.primary = false;
    s.settings.max_unacked = 20;
    s.settings.receive_timer = 30;
}

void later(int64_t ms)
{
    now.ms += ms;
    now.seconds = (uint32_t)(SECONDS + (now.ms - 5000) / 1000);
}

bool next(struct end *end)
{
    struct fo_decode_error error;
    int length = fo_frame_length(end->out + end->read, end->length - end->read);
    if (end->read == end->length)
        return false;
    ck_assert_int_gt(length, 0);
    ck_assert_msg(fo_decode(&fo_dialect_draft, end->out + end->read, (size_t)length, &sent, &error),
                  "%s", error.text);
    end->read += (size_t)length;
    return true;
}

void give(struct end *end, const struct fo_message *message)
{
    uint8_t frame[FO_MESSAGE_MAX];
    size_t length = fo_encode(&fo_dialect_draft, message, frame, sizeof frame);
    ck_assert_uint_gt(length, 0);
    fo_session_receive(&end->session, frame, length, &now);
}

void pass(struct end *from, struct end *to, size_t piece)
{
    while (from->read < from->length) {
        size_t left = from->length - from->read, take = left < piece ? left : piece;
        fo_session_receive(&to->session, from->out + from->read, take, &now);
        from->read += take;
    }
}

void connect_primary(void)
{
    struct fo_session_host host = host_of(&p);
    fo_session_connect(&p.session, &p.settings, &host, &now);
}

bool accept_secondary(const struct fo_message *connect)
{
    struct fo_session_host host = host_of(&s);
    return fo_session_accept(&s.session, &s.settings, &host, connect, &now, &s.why);
}

void establish_both(void)
{
    connect_primary();
    ck_assert(next(&p));
    ck_assert(accept_secondary(&sent));
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.established, 1);
}

struct fo_message state_message(uint32_t xid)
{
    struct fo_message message;
    memset(&message, 0, sizeof message);
    message.type = FO_MSG_STATE;
    message.time = now.seconds;
    message.xid = xid;
    message.present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                      FO_HAS(FO_OPT_START_TIME_OF_STATE);
    message.server_state = FO_STATE_NORMAL;
    message.start_of_state = SECONDS;
    return message;
}
