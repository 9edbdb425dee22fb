/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See still_partner.h. Frames wait in two buffers, for neither side may be called by the other. */
#include "tests/unit/still_partner.h"

#include <check.h>
#include <string.h>

enum { WIRE = 1 << 17, NOTES = 1 << 16, SAYS = 64, DETAILS = 64 };

struct wire {
    uint8_t bytes[WIRE];
    size_t length, read;
};

static struct {
    struct fo_endpoint endpoint;
    fo_connection connection; /* the service's, 0: none */
    struct wire out, in;      /* to the service, and from it */
    bool storing, closing, holding;
    struct {
        uint32_t xid;
        size_t count;
        struct fo_verdict verdicts[FO_UPDATES_MAX];
    } inbound[FO_WINDOW_MAX];
    size_t inbound_count;
    struct {
        uint32_t address;
        enum fo_binding_status status;
        uint32_t since;
        uint16_t flags;
        size_t details; /* which of those below, from 1 on; 0: none */
    } told[NOTES];
    size_t told_count;
    struct {
        size_t length;
        uint8_t bytes[FO_DETAILS_PACKED_MAX];
    } details[DETAILS];
    size_t details_count;
    struct fo_update says[SAYS];
    size_t says_count, said;
    unsigned accepted, rejected;
    enum fo_reject_reason reason;    /* it was given last */
    uint32_t disputed;
    enum fo_reject_reason dispute;   /* it gives for that address */
} partner;

static struct fo_now now(void)
{
    return (struct fo_now){.ms = 100000 + still.ms,
                           .seconds = (uint32_t)(STILL_SECONDS + still.ms / 1000)};
}

static void put(struct wire *wire, const uint8_t *data, size_t length)
{
    ck_assert_uint_le(wire->length + length, WIRE);
    memcpy(wire->bytes + wire->length, data, length);
    wire->length += length;
}

/* The next frame, or NULL. */
static const uint8_t *get(struct wire *wire, size_t *length)
{
    if (wire->read == wire->length) {
        wire->read = wire->length = 0;
        return NULL;
    }
    const uint8_t *frame = wire->bytes + wire->read;
    *length = (size_t)fo_frame_length(frame, wire->length - wire->read);
    wire->read += *length;
    return frame;
}

/* ------------------------------------------------------------------ its host */

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    (void)context;
    put(&partner.out, frame, length);
    return true;
}

static void on_connect(void *context)
{
    (void)context; /* the service connects */
}

static void on_disconnect(void *context, bool attempt)
{
    (void)context;
    partner.closing |= !attempt;
}

static void on_store(void *context)
{
    (void)context;
    partner.storing = true;
}

static bool on_next_update(void *context, bool requested, size_t room, struct fo_outgoing *next)
{
    (void)context;
    (void)requested;
    if (partner.said == partner.says_count ||
        fo_update_size(&partner.says[partner.said]) > room)
        return false;
    *next = (struct fo_outgoing){.update = partner.says[partner.said++]};
    return true;
}

static void on_acknowledged(void *context, const struct fo_acknowledgement *ack)
{
    (void)context;
    if (ack->reject_reason == FO_REJECT_NONE)
        partner.accepted++;
    else
        partner.rejected++;
    if (ack->reject_reason != FO_REJECT_NONE)
        partner.reason = (enum fo_reject_reason)ack->reject_reason;
}

static size_t note_details(const struct fo_update *update)
{
    uint8_t space[FO_DETAIL_MAX];
    struct fo_details details;
    fo_details_hear(update, &details, space);
    if (!details.told)
        return 0;
    ck_assert_uint_lt(partner.details_count, DETAILS);
    partner.details[partner.details_count].length =
        fo_details_pack(&details, partner.details[partner.details_count].bytes);
    return ++partner.details_count;
}

static void on_received(void *context, const struct fo_message *message)
{
    size_t at = partner.inbound_count++;
    (void)context;
    ck_assert_uint_lt(at, FO_WINDOW_MAX);
    partner.inbound[at].xid = message->xid;
    partner.inbound[at].count = message->update_count;
    for (size_t i = 0; i < message->update_count; i++) {
        const struct fo_update *update = &message->updates[i];
        partner.inbound[at].verdicts[i] = (struct fo_verdict){
            update->address,
            update->address == partner.disputed ? partner.dispute : FO_REJECT_NONE};
        ck_assert_uint_lt(partner.told_count, NOTES);
        partner.told[partner.told_count].address = update->address;
        partner.told[partner.told_count].since = update->start_of_state;
        partner.told[partner.told_count].flags = update->ip_flags;
        partner.told[partner.told_count].details = note_details(update);
        partner.told[partner.told_count++].status = (enum fo_binding_status)update->status;
    }
}

static void on_nothing(void *context)
{
    (void)context;
}

static uint32_t on_updates_requested(void *context, bool all)
{
    (void)context;
    (void)all;
    return 0;
}

static bool on_requested_left(void *context)
{
    (void)context;
    return false;
}

static uint32_t on_pool_requested(void *context)
{
    (void)context;
    return 0;
}

static void on_entered(void *context, enum fo_state from)
{
    (void)context;
    (void)from;
}

static void on_note(void *context, enum fo_note note, const char *detail)
{
    (void)context;
    (void)note;
    (void)detail;
}

/* ------------------------------------------------------------------ the wire */

static void hears(fo_connection connection, const uint8_t *data, size_t length)
{
    if (connection == partner.connection)
        put(&partner.in, data, length);
}

static void closed(fo_connection connection)
{
    if (connection != partner.connection)
        return;
    const struct fo_now at = now();
    partner.connection = 0;
    partner.in = partner.out = (struct wire){0};
    partner.inbound_count = 0;
    fo_endpoint_lost(&partner.endpoint, "closed by the service", &at);
}

static void take(const uint8_t *frame, size_t length)
{
    static struct fo_message connect;
    struct fo_decode_error error;
    const struct fo_now at = now();
    if (frame[2] != FO_MSG_CONNECT) {
        fo_endpoint_received(&partner.endpoint, frame, length, &at);
        return;
    }
    ck_assert(fo_decode(&fo_dialect_draft, frame, length, &connect, &error));
    ck_assert(fo_endpoint_accept(&partner.endpoint, &connect, &at));
}

static bool happen(struct fo_service *service)
{
    size_t length;
    const struct fo_now at = now();
    const uint8_t *frame = get(&partner.in, &length);
    if (frame != NULL) {
        take(frame, length);
    } else if ((frame = get(&partner.out, &length)) != NULL) {
        fo_net_received(service, partner.connection, frame, length);
    } else if (partner.closing) {
        const fo_connection connection = partner.connection;
        partner.closing = false;
        partner.connection = 0;
        if (connection != 0)
            fo_net_closed(service, connection, "closed by the partner");
    } else if (partner.storing) {
        partner.storing = false;
        fo_endpoint_stored(&partner.endpoint, &at);
    } else if (partner.inbound_count > 0 && !partner.holding) {
        still_partner_acknowledge(1);
    } else {
        return false;
    }
    return true;
}

void still_partner_settle(struct fo_service *service)
{
    const struct fo_now at = now();
    fo_endpoint_timer(&partner.endpoint, &at); /* it says CONTACT */
    fo_endpoint_pump(&partner.endpoint, &at);
    still_settle(service);
    for (int i = 0; happen(service); i++) {
        ck_assert_msg(i < 10000, "the two do not come to rest");
        still_settle(service);
    }
}

/* ------------------------------------------------------------------ what tests ask */

void still_partner_start(struct fo_service *service)
{
    const struct fo_endpoint_host host = {
        NULL, on_send, on_connect, on_disconnect, on_store, on_next_update, on_acknowledged,
        on_nothing, on_received, on_nothing, on_nothing, on_updates_requested, on_requested_left,
        on_pool_requested, on_entered, on_note};
    const struct fo_endpoint_settings settings = {
        .session = {.dialect = &fo_dialect_draft, .relationship_name = "a-b",
                    .vendor_class = "kea-failover still", .mclt = 60, .max_unacked = 50, .receive_timer = 60,
                    .contact_interval = 20},
        .startup_delay = 15,
        .connect_retry_delay = 5};
    const struct fo_endpoint_record record = {0};
    const struct fo_now at = now();
    memset(&partner, 0, sizeof partner);
    still.hears = hears;
    still.closed = closed;
    fo_endpoint_start(&partner.endpoint, &settings, &host, &record, &at);
    still_partner_connect(service);
}

void still_partner_connect(struct fo_service *service)
{
    still_settle(service);
    partner.connection = service->relationships[0]->attempt;
    ck_assert_uint_ne(partner.connection, 0);
    fo_net_connected(service, partner.connection);
    still_partner_settle(service);
    ck_assert_int_eq(fo_endpoint_state(&service->relationships[0]->endpoint), FO_STATE_NORMAL);
    ck_assert_int_eq(fo_endpoint_state(&partner.endpoint), FO_STATE_NORMAL);
}

void still_partner_hold(bool hold)
{
    partner.holding = hold;
}

void still_partner_acknowledge(unsigned count)
{
    const struct fo_now at = now();
    for (; count > 0; count--) {
        ck_assert_uint_gt(partner.inbound_count, 0);
        fo_endpoint_acknowledge(&partner.endpoint, partner.inbound[0].xid,
                                partner.inbound[0].verdicts, partner.inbound[0].count, &at);
        memmove(&partner.inbound[0], &partner.inbound[1],
                --partner.inbound_count * sizeof partner.inbound[0]);
    }
}

bool still_partner_connected(void)
{
    return partner.connection != 0;
}

unsigned still_partner_told(uint32_t address, enum fo_binding_status *last)
{
    unsigned count = 0;
    for (size_t i = 0; i < partner.told_count; i++)
        if (partner.told[i].address == address) {
            *last = partner.told[i].status;
            count++;
        }
    return count;
}

uint32_t still_partner_told_since(uint32_t address)
{
    uint32_t since = 0;
    for (size_t i = 0; i < partner.told_count; i++)
        if (partner.told[i].address == address)
            since = partner.told[i].since;
    return since;
}

uint16_t still_partner_told_flags(uint32_t address)
{
    uint16_t flags = 0;
    for (size_t i = 0; i < partner.told_count; i++)
        if (partner.told[i].address == address)
            flags = partner.told[i].flags;
    return flags;
}

struct fo_details still_partner_told_details(uint32_t address)
{
    struct fo_details details = {0};
    for (size_t i = 0; i < partner.told_count; i++)
        if (partner.told[i].address == address) {
            const size_t number = partner.told[i].details;
            details = (struct fo_details){0};
            if (number != 0)
                ck_assert(fo_details_unpack(partner.details[number - 1].bytes,
                                            partner.details[number - 1].length, &details));
        }
    return details;
}

void still_partner_says(const struct fo_update *update)
{
    ck_assert_uint_lt(partner.says_count, SAYS);
    partner.says[partner.says_count++] = *update;
}

unsigned still_partner_accepted(void)
{
    return partner.accepted;
}

unsigned still_partner_rejected(void)
{
    return partner.rejected;
}

enum fo_reject_reason still_partner_reason(void)
{
    return partner.reason;
}

void still_partner_rejects(uint32_t address, enum fo_reject_reason reason)
{
    partner.disputed = address;
    partner.dispute = reason;
}

void still_partner_pools(uint32_t first, uint32_t last)
{
    struct fo_ranges ranges = {.count = 0};
    fo_ranges_append(&ranges, first, last);
    fo_endpoint_set_pools(&partner.endpoint, &ranges);
}
