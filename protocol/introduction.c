/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What one of us tells another by vendor-specific options (12.29): in CONNECT and CONNECTACK all of it,
 * in a CONTACT what has changed since.
 *
 * Two versions of this software may be partners while one of them is upgraded. So a sub-option that is
 * not known is passed over, one that is missing says nothing, and what is added to one at its end is
 * not looked at.
 */
#include <string.h>

#include "protocol/session_internal.h"
#include "protocol/wire.h"

/* Sub-options of vendor-specific-options between two of us. */
enum {
    VENDOR_OWN_CONNECTIONS = 1,
    VENDOR_PARTNER_CONNECTIONS = 2,
    VENDOR_POOLS = 3, /* ranges.h */
    VENDOR_NONCE = 4, /* with a digest: the primary's; in CONNECTACK both, the primary's first */
    VENDOR_SERVING = 5, /* struct fo_serving, a byte each */
    VENDOR_LEAD_TIME = 6, /* where leases may have been promised under a larger MCLT than the present: that */
    VENDOR_WINDOW = 7, /* where it is larger than max-unacked-bndupd: the BNDUPDs accepted unacknowledged of one of us */
};

/* ------------------------------------------------------------------ what we say */

static void put_number(struct fo_writer *writer, uint16_t code, uint32_t number)
{
    fo_write_u16(writer, code);
    fo_write_u16(writer, 4);
    fo_write_u32(writer, number);
}

static void put_pools(struct fo_writer *writer, const struct fo_ranges *pools)
{
    uint8_t bytes[FO_RANGES_MAX * FO_RANGE_SIZE];
    size_t length = fo_ranges_write(pools, bytes);
    fo_write_u16(writer, VENDOR_POOLS);
    fo_write_u16(writer, (uint16_t)length);
    fo_write_bytes(writer, bytes, length);
}

static void put_serving(struct fo_writer *writer, const struct fo_serving *serving)
{
    const uint8_t bytes[] = {serving->mode, serving->hash_input};
    if (serving->mode == 0)
        return;
    fo_write_u16(writer, VENDOR_SERVING);
    fo_write_u16(writer, sizeof bytes);
    fo_write_bytes(writer, bytes, sizeof bytes);
}

uint32_t fo_window_told(const struct fo_session_settings *settings)
{
    return settings->max_unacked > FO_WINDOW_TOLD_MAX ? FO_WINDOW_TOLD_MAX : settings->max_unacked;
}

/* 12.29: never without the vendor class. */
static void put_vendor_options(struct fo_message *message, const char *vendor_class,
                               const struct fo_writer *writer)
{
    message->present |=
        FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) | FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS);
    message->vendor_class = fo_bytes_of(vendor_class);
    message->vendor_options =
        (struct fo_bytes){writer->data, (uint16_t)fo_writer_length(writer)};
}

void fo_introduce(const struct fo_session *session, struct fo_message *message,
                  uint8_t space[FO_INTRODUCTION_MAX])
{
    const struct fo_session_settings *settings = &session->settings;
    const uint16_t nonces = settings->primary ? FO_NONCE_SIZE : 2 * FO_NONCE_SIZE;
    struct fo_writer writer;
    if (!settings->dialect->vendor_options)
        return;
    fo_writer_init(&writer, space, FO_INTRODUCTION_MAX);
    put_number(&writer, VENDOR_OWN_CONNECTIONS, settings->own_connections);
    put_number(&writer, VENDOR_PARTNER_CONNECTIONS, settings->partner_connections);
    put_pools(&writer, &settings->pools);
    put_serving(&writer, &settings->serving);
    if (settings->lead_time > (settings->primary ? settings->mclt : session->partner.mclt))
        put_number(&writer, VENDOR_LEAD_TIME, settings->lead_time);
    if (settings->max_unacked > FO_WINDOW_TOLD_MAX)
        put_number(&writer, VENDOR_WINDOW, settings->max_unacked);
    if (settings->digest != NULL && (settings->primary || session->partner.gives_nonce)) {
        fo_write_u16(&writer, VENDOR_NONCE);
        fo_write_u16(&writer, nonces);
        fo_write_bytes(&writer, session->nonces, nonces);
    }
    put_vendor_options(message, settings->vendor_class, &writer);
}

static void tell(struct fo_session *session, const struct fo_writer *writer, const struct fo_now *now)
{
    struct fo_message message;
    fo_message_begin(&message, FO_MSG_CONTACT);
    put_vendor_options(&message, session->settings.vendor_class, writer);
    fo_session_send(session, &message, false, now);
}

static bool may_tell(const struct fo_session *session)
{
    return session->settings.dialect->vendor_options && session->partner.own_kind;
}

void fo_session_tell_pools(struct fo_session *session, const struct fo_ranges *pools,
                           const struct fo_now *now)
{
    struct fo_writer writer;
    uint8_t space[FO_INTRODUCTION_MAX];
    session->settings.pools = *pools;
    if (!may_tell(session))
        return;
    fo_writer_init(&writer, space, sizeof space);
    put_pools(&writer, pools);
    tell(session, &writer, now);
}

void fo_session_tell_serving(struct fo_session *session, const struct fo_serving *serving,
                             const struct fo_now *now)
{
    struct fo_writer writer;
    uint8_t space[8];
    session->settings.serving = *serving;
    if (!may_tell(session))
        return;
    fo_writer_init(&writer, space, sizeof space);
    put_serving(&writer, serving);
    tell(session, &writer, now);
}

void fo_session_tell_count(struct fo_session *session, uint32_t connections,
                           const struct fo_now *now)
{
    struct fo_writer writer;
    uint8_t space[8];
    if (!may_tell(session))
        return;
    fo_writer_init(&writer, space, sizeof space);
    put_number(&writer, VENDOR_OWN_CONNECTIONS, connections);
    tell(session, &writer, now);
}

uint32_t fo_session_window(const struct fo_session *session)
{
    return may_tell(session) ? session->settings.max_unacked : fo_window_told(&session->settings);
}

/* ------------------------------------------------------------------ what the partner says */

bool fo_is_own_kind(const struct fo_session_settings *settings, const struct fo_message *message)
{
    size_t ours = strcspn(settings->vendor_class, " ");
    return message->vendor_class.length >= ours &&
           memcmp(message->vendor_class.data, settings->vendor_class, ours) == 0;
}

static bool vendor_number(const struct fo_message *message, uint16_t code, uint32_t *number)
{
    struct fo_bytes value;
    if (!fo_vendor_option(message, code, &value) || value.length != 4)
        return false;
    *number = (uint32_t)value.data[0] << 24 | (uint32_t)value.data[1] << 16 |
              (uint32_t)value.data[2] << 8 | value.data[3];
    return true;
}

bool fo_session_count_of(const struct fo_session_settings *settings,
                         const struct fo_message *connect, uint32_t *connections)
{
    return fo_is_own_kind(settings, connect) &&
           vendor_number(connect, VENDOR_OWN_CONNECTIONS, connections);
}

bool fo_nonces_of(const struct fo_session_settings *settings, const struct fo_message *message,
                  uint16_t length, struct fo_bytes *value)
{
    return settings->dialect->vendor_options && fo_is_own_kind(settings, message) &&
           fo_vendor_option(message, VENDOR_NONCE, value) && value->length == length;
}

static bool take_pools(struct fo_session_partner *partner, const struct fo_message *message)
{
    struct fo_bytes value;
    if (!fo_vendor_option(message, VENDOR_POOLS, &value))
        return false;
    partner->tells_pools = fo_ranges_read(&partner->pools, value.data, value.length);
    return partner->tells_pools;
}

static bool take_serving(struct fo_session_partner *partner, const struct fo_message *message)
{
    struct fo_bytes value;
    if (!fo_vendor_option(message, VENDOR_SERVING, &value) || value.length < 2)
        return false;
    partner->serving = (struct fo_serving){value.data[0], value.data[1]};
    return true;
}

void fo_session_take_told(struct fo_session *session, const struct fo_message *message)
{
    struct fo_session_partner *partner = &session->partner;
    partner->told = 0;
    if (!partner->own_kind)
        return;
    if (take_pools(partner, message))
        partner->told |= FO_TOLD_POOLS;
    if (take_serving(partner, message))
        partner->told |= FO_TOLD_SERVING;
    if (vendor_number(message, VENDOR_OWN_CONNECTIONS, &partner->told_connections))
        partner->told |= FO_TOLD_COUNT;
}

void fo_take_introduction(struct fo_session *session, const struct fo_message *message)
{
    struct fo_session_partner *partner = &session->partner;
    uint32_t window;
    partner->own_kind = fo_is_own_kind(&session->settings, message);
    partner->max_unacked = message->max_unacked;
    if (partner->own_kind && vendor_number(message, VENDOR_WINDOW, &window) &&
        window > partner->max_unacked)
        partner->max_unacked = window;
    partner->receive_timer = message->receive_timer;
    if (partner->receive_timer > FO_RECEIVE_TIMER_MAX)
        partner->receive_timer = FO_RECEIVE_TIMER_MAX;
    fo_session_take_told(session, message);
    partner->counts_connections =
        (partner->told & FO_TOLD_COUNT) &&
        vendor_number(message, VENDOR_PARTNER_CONNECTIONS, &partner->partner_connections);
    partner->own_connections = partner->told_connections;
    if (!partner->own_kind || !vendor_number(message, VENDOR_LEAD_TIME, &partner->lead_time) ||
        partner->lead_time > FO_MCLT_MAX)
        partner->lead_time = 0;
}
