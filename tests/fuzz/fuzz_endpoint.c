/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * An endpoint in any state, as it may have been stored, whose partner says anything in any order,
 * while the disk commits late, connections break, and an operator gives orders. Its host keeps some
 * bindings as flags. A second session, which is honest, shakes hands for the partner; and signs what it
 * says, where messages are signed, for else nothing would be heard.
 *
 * What must hold however wrong the partner is: what is sent can be decoded; STATE is said only when
 * all that was to be stored is stored; a BNDUPD leaves in NORMAL, or because the partner asked for it;
 * only what was sent is acknowledged, and once; the window is kept, ours and the partner's; what was
 * due is done when the timer has run.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "protocol/endpoint.h"

enum { SECONDS = FUZZ_SECONDS, MCLT = 300, MAX_UNACKED = 3 };

static struct fo_endpoint endpoint;
static struct fo_session partner; /* the honest one */
static struct fo_session_settings partner_settings;
static struct fuzz_known known;
static struct fo_now now;
static struct fo_message message;
static bool storing, attempt, connection; /* to be stored; a TCP connection under way; one stands */
static size_t partner_length, own_length; /* of the last frames sent */
static uint8_t partner_frame[FO_MESSAGE_MAX], own_frame[FO_MESSAGE_MAX];

static struct {
    bool unacked, in_flight, requested;
    uint32_t generation;
} bindings[FUZZ_BINDINGS];

static struct {
    uint32_t xid;
    size_t count;
    uint32_t addresses[FO_UPDATES_MAX];
} inbound[FO_WINDOW_MAX];
static size_t inbound_count;

/* ------------------------------------------------------------------ the endpoint's host */

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    struct fo_message sent;
    (void)context;
    fuzz_sent(&known, frame, length, &sent);
    fuzz_must(sent.type != FO_MSG_STATE || sent.server_state == FO_STATE_PAUSED || !storing,
              "a state is durable before it is said"); /* PAUSED is none to come back to (9.13) */
    fuzz_must(sent.type != FO_MSG_BNDUPD || endpoint.record.state == FO_STATE_NORMAL ||
                  endpoint.partner_request,
              "updates are sent in NORMAL or on request");
    fuzz_must(sent.type != FO_MSG_BNDUPD || !endpoint.shut, "who has shut down tells nothing more");
    memcpy(own_frame, frame, length);
    own_length = length;
    return true;
}

static void on_connect(void *context)
{
    (void)context;
    fuzz_must(!attempt && !connection, "one connection is made at a time");
    attempt = true;
}

static void on_disconnect(void *context, bool of_attempt)
{
    (void)context;
    if (of_attempt)
        attempt = false;
    else
        connection = false;
}

static void on_store(void *context)
{
    (void)context;
    storing = true;
}

static bool on_next_update(void *context, bool requested, size_t room, struct fo_outgoing *next)
{
    (void)context;
    for (uint32_t i = 0; i < FUZZ_BINDINGS; i++) {
        if (!bindings[i].unacked || bindings[i].in_flight || (requested && !bindings[i].requested))
            continue;
        *next = (struct fo_outgoing){.generation = bindings[i].generation};
        next->update.present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS);
        next->update.address = FUZZ_BASE + i;
        next->update.status = FO_FREE;
        if (fo_update_size(&next->update) > room)
            return false;
        bindings[i].in_flight = true;
        return true;
    }
    return false;
}

static void on_acknowledged(void *context, const struct fo_acknowledgement *ack)
{
    const uint32_t i = ack->address - FUZZ_BASE;
    (void)context;
    fuzz_must(i < FUZZ_BINDINGS && bindings[i].in_flight, "only what was sent is acknowledged");
    bindings[i].in_flight = bindings[i].requested = false;
    fuzz_must(ack->generation <= bindings[i].generation, "no acknowledgement is ahead");
    if (ack->generation == bindings[i].generation && ack->reject_reason == FO_REJECT_NONE)
        bindings[i].unacked = false;
}

static void on_updates_lost(void *context)
{
    (void)context;
    for (size_t i = 0; i < FUZZ_BINDINGS; i++)
        bindings[i].in_flight = bindings[i].requested = false;
    inbound_count = 0;
}

static void on_received(void *context, const struct fo_message *received)
{
    (void)context;
    fuzz_taken++;
    fuzz_must(inbound_count < MAX_UNACKED, "no more updates are taken than the window allows");
    inbound[inbound_count].xid = received->xid;
    inbound[inbound_count].count = received->update_count;
    for (size_t i = 0; i < received->update_count; i++)
        inbound[inbound_count].addresses[i] = received->updates[i].address;
    inbound_count++;
}

static void on_partner_forgot(void *context)
{
    (void)context;
}

static void on_forget(void *context)
{
    (void)context;
}

static uint32_t on_updates_requested(void *context, bool all)
{
    uint32_t count = 0;
    (void)context;
    for (size_t i = 0; i < FUZZ_BINDINGS; i++) {
        bindings[i].unacked |= all;
        bindings[i].requested = bindings[i].unacked;
        count += bindings[i].unacked;
    }
    return count;
}

static bool on_requested_left(void *context)
{
    bool left = false;
    (void)context;
    for (size_t i = 0; i < FUZZ_BINDINGS; i++)
        left |= bindings[i].requested;
    return left;
}

static uint32_t on_pool_requested(void *context)
{
    (void)context;
    return 2;
}

static void on_entered(void *context, enum fo_state from)
{
    (void)context;
    (void)from;
    fuzz_must(endpoint.record.state != FO_STATE_NONE && endpoint.record.state != FO_STATE_STARTUP,
              "the state can be stored");
}

static void on_note(void *context, enum fo_note note, const char *detail)
{
    (void)context;
    fuzz_must((unsigned)note <= FO_NOTE_RECOVER_WAIT && detail != NULL, "a note has words");
}

static const struct fo_endpoint_host host = {
    NULL, on_send, on_connect, on_disconnect, on_store, on_next_update, on_acknowledged,
    on_updates_lost, on_received, on_partner_forgot, on_forget, on_updates_requested, on_requested_left,
    on_pool_requested, on_entered, on_note};

/* ------------------------------------------------------------------ the honest session */

static bool partner_sends(void *context, const uint8_t *frame, size_t length)
{
    (void)context;
    memcpy(partner_frame, frame, length);
    partner_length = length;
    return true;
}

static void partner_is_established(void *context, const struct fo_now *at)
{
    (void)context;
    (void)at;
}

static void partner_receives(void *context, const struct fo_message *received, const struct fo_now *at)
{
    (void)context;
    (void)received;
    (void)at;
}

static void partner_ends(void *context, const struct fo_session_end *end, const struct fo_now *at)
{
    (void)context;
    (void)end;
    (void)at;
}

static const struct fo_session_host partner_host = {NULL, partner_sends, partner_is_established,
                                                    partner_receives, partner_ends};

/* The first frame of a connection from the partner, as the network would pass it on. */
static void accept_frame(const uint8_t *frame, size_t length)
{
    struct fo_decode_error error;
    char why[160];
    if (length < FO_HEADER_SIZE || (size_t)fo_frame_length(frame, length) != length ||
        !fo_decode(&fo_dialect_draft, frame, length, &message, &error) ||
        message.type != FO_MSG_CONNECT ||
        fo_endpoint_admit(&endpoint, &message, frame, length, why, sizeof why) != FO_REJECT_NONE)
        return;
    if (endpoint.session.phase != FO_SESSION_CLOSED)
        fo_endpoint_lost(&endpoint, "the partner connects anew", &now);
    connection = fo_endpoint_accept(&endpoint, &message, &now);
}

static void shake_hands(void)
{
    struct fo_decode_error error;
    struct fo_session_end end;
    memset(&partner, 0, sizeof partner);
    if (partner_settings.primary) {
        fo_session_connect(&partner, &partner_settings, &partner_host, &now);
        accept_frame(partner_frame, partner_length);
        if (connection)
            fo_session_receive(&partner, own_frame, own_length, &now);
        return;
    }
    if (attempt) {
        attempt = false;
        connection = true;
        fo_endpoint_connected(&endpoint, &now);
    }
    if (endpoint.session.phase == FO_SESSION_CONNECT_SENT &&
        fo_decode(&fo_dialect_draft, own_frame, own_length, &message, &error) &&
        fo_session_accept(&partner, &partner_settings, &partner_host, &message, &now, &end))
        fo_endpoint_received(&endpoint, partner_frame, partner_length, &now);
}

/* ------------------------------------------------------------------ the story */

/* `message`, from the partner: as the honest session says it. False: that has no connection, or no room. */
static bool say_honestly(bool response)
{
    uint8_t frame[FO_MESSAGE_MAX];
    if (partner.phase != FO_SESSION_ESTABLISHED ||
        fo_encode(&fo_dialect_draft, &message, frame, FO_MESSAGE_MAX - FO_DIGEST_OPTION_MAX) == 0)
        return false;
    fo_session_send(&partner, &message, response, &now);
    fo_endpoint_received(&endpoint, partner_frame, partner_length, &now);
    return true;
}

/* Signed by the partner, where it can say that and the frame has no digest of its own. */
static bool hear_signed(const uint8_t *frame, size_t length)
{
    struct fo_decode_error error;
    if (endpoint.settings.session.digest == NULL || length < FO_HEADER_SIZE ||
        (size_t)fo_frame_length(frame, length) != length ||
        !fo_decode(&fo_dialect_draft, frame, length, &message, &error) ||
        (message.present & FO_HAS(FO_OPT_MESSAGE_DIGEST)) || message.type == FO_MSG_CONNECT ||
        message.type == FO_MSG_CONNECTACK || message.type > FO_MSG_DISCONNECT)
        return false;
    return say_honestly(message.type == FO_MSG_BNDACK || message.type == FO_MSG_POOLRESP ||
                        message.type == FO_MSG_UPDDONE);
}

static void hear(struct fuzz_script *script)
{
    uint8_t frame[FO_MESSAGE_MAX];
    const size_t length = fuzz_frame(script, &known, frame);
    if (endpoint.session.phase != FO_SESSION_CLOSED && hear_signed(frame, length))
        return;
    if (endpoint.session.phase != FO_SESSION_CLOSED)
        fo_endpoint_received(&endpoint, frame, length, &now);
    else if (!endpoint.settings.session.primary)
        accept_frame(frame, length);
}

/* A STATE that is right, for most stories go on only after one. */
static void hear_state(struct fuzz_script *script)
{
    static const uint8_t states[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 254};
    uint8_t frame[FO_MESSAGE_MAX];
    memset(&message, 0, sizeof message);
    message.type = FO_MSG_STATE;
    message.time = now.seconds;
    message.xid = 77;
    message.present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                      FO_HAS(FO_OPT_START_TIME_OF_STATE);
    message.server_state = states[fuzz_number(script, 1) % sizeof states];
    message.server_flags = fuzz_number(script, 1) & 1;
    message.start_of_state = now.seconds - fuzz_number(script, 2);
    if (endpoint.settings.session.digest != NULL && endpoint.session.phase != FO_SESSION_CLOSED &&
        say_honestly(false))
        return;
    const size_t length = fo_encode(&fo_dialect_draft, &message, frame, sizeof frame);
    if (endpoint.session.phase != FO_SESSION_CLOSED)
        fo_endpoint_received(&endpoint, frame, length, &now);
}

static void pass_time(struct fuzz_script *script)
{
    now.ms += (int64_t)fuzz_number(script, 2) * 10;
    now.seconds = (uint32_t)(SECONDS + now.ms / 1000);
    known.seconds = now.seconds;
    fo_endpoint_timer(&endpoint, &now);
    fuzz_must(fo_endpoint_deadline(&endpoint, &now) > now.ms, "what was due is done");
}

static void acknowledge(struct fuzz_script *script)
{
    struct fo_verdict verdicts[FO_UPDATES_MAX];
    const bool reject = fuzz_number(script, 1) & 1;
    if (inbound_count == 0)
        return;
    inbound_count--;
    const uint32_t xid = inbound[0].xid;
    const size_t count = inbound[0].count;
    for (size_t i = 0; i < count; i++)
        verdicts[i] = (struct fo_verdict){inbound[0].addresses[i],
                                          reject ? FO_REJECT_OUTDATED : FO_REJECT_NONE};
    memmove(&inbound[0], &inbound[1], inbound_count * sizeof inbound[0]);
    fo_endpoint_acknowledge(&endpoint, xid, verdicts, count, &now);
}

static void connection_goes(struct fuzz_script *script)
{
    if (attempt) {
        attempt = false;
        fo_endpoint_attempt_failed(&endpoint, "refused", &now);
    } else if (connection) {
        connection = false;
        fo_endpoint_lost(&endpoint, "the cable was pulled", &now);
    } else if (fuzz_number(script, 1) & 1) {
        fo_endpoint_stimulated(&endpoint, &now);
    }
}

/* A configuration that changes what the partner is told beside. */
static void load(struct fuzz_script *script)
{
    struct fo_endpoint_settings settings = endpoint.settings;
    struct fo_ranges pools;
    const uint32_t serving = fuzz_number(script, 1);
    settings.session.serving = (struct fo_serving){(uint8_t)(serving % 3), (uint8_t)(serving / 3 % 3)};
    fo_endpoint_set(&endpoint, &settings);
    const struct fo_bytes bytes = fuzz_bytes(script, 4 * FO_RANGE_SIZE);
    if (fo_ranges_read(&pools, bytes.data, bytes.length))
        fo_endpoint_set_pools(&endpoint, &pools);
    fo_endpoint_timer(&endpoint, &now);
}

static void order(struct fuzz_script *script)
{
    switch (fuzz_number(script, 1) % 9) {
    case 0:
        fo_endpoint_partner_down(&endpoint, now.seconds, "an operator's command", &now);
        break;
    case 1:
        fo_endpoint_pause(&endpoint, &now);
        break;
    case 2:
        fo_endpoint_retry(&endpoint, &now);
        break;
    case 3:
        fo_endpoint_close(&endpoint, FO_REJECT_OTHER, "an operator wants it", &now);
        break;
    case 4:
        if (endpoint.communicating && !endpoint.shut && !endpoint.stopping)
            fo_endpoint_shut_down(&endpoint, &now);
        break;
    case 5:
        if (endpoint.shut)
            fo_endpoint_come_back(&endpoint, &now);
        break;
    case 6:
        if (!endpoint.shut)
            fo_endpoint_resume(&endpoint, now.seconds - 7, "time has passed", &now);
        break;
    case 7:
        load(script);
        break;
    default:
        fo_endpoint_request_pool(&endpoint, &now);
        break;
    }
}

static void change_binding(struct fuzz_script *script)
{
    const uint32_t i = fuzz_number(script, 1) % FUZZ_BINDINGS;
    bindings[i].unacked = true;
    bindings[i].generation++;
    fo_endpoint_pump(&endpoint, &now);
}

static void (*const steps[16])(struct fuzz_script *script) = {
    pass_time, acknowledge, connection_goes, order, change_binding, hear_state, hear_state, hear,
    hear, hear, hear, hear};

static void check(void)
{
    uint32_t slots = 0;
    for (size_t i = 0; i < FO_WINDOW_MAX; i++)
        slots += endpoint.in_flight[i].xid != 0;
    fuzz_must(slots == endpoint.in_flight_count, "what is in flight is counted");
    fuzz_must(!endpoint.communicating || endpoint.session.phase == FO_SESSION_ESTABLISHED,
              "who communicates has a connection");
    fuzz_must(connection || endpoint.session.phase == FO_SESSION_CLOSED,
              "without a connection the session is over");
}

static void one_step(struct fuzz_script *script)
{
    const uint32_t what = fuzz_number(script, 1) % 16;
    if (steps[what] != NULL)
        steps[what](script);
    else if (what < 14)
        shake_hands();
    else if (storing) {
        storing = false;
        fo_endpoint_stored(&endpoint, &now);
    }
    check();
}

static void begin(struct fuzz_script *script)
{
    static const uint8_t states[] = {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 254};
    const uint32_t kind = fuzz_number(script, 1), extras = fuzz_number(script, 1);
    struct fo_endpoint_settings settings = {.session = fuzz_settings(kind & 1, extras & ~(uint32_t)FUZZ_WIDE),
                                            .startup_delay = 15, .connect_retry_delay = 5};
    settings.session.mclt = MCLT;
    settings.session.max_unacked = MAX_UNACKED;
    struct fo_endpoint_record record = {.state = states[fuzz_number(script, 1) % sizeof states],
                                        .partner_state = states[1 + fuzz_number(script, 1) % 11],
                                        .first_time = kind & 2, .need_all = kind & 4,
                                        .update_all_owed = kind & 8};
    record.state_since = record.partner_state_since = record.last_contact = SECONDS - 100;
    record.last_operational = SECONDS - fuzz_number(script, 2);
    record.mclt = kind & 16 ? MCLT : 0;
    record.connections = record.partner_connections = kind & 32 ? 3 : 0;
    if (record.state == FO_STATE_NONE)
        record = (struct fo_endpoint_record){.state = FO_STATE_NONE};
    partner_settings = fuzz_settings(!settings.session.primary, extras);
    partner_settings.mclt = MCLT;
    if (!(extras & FUZZ_WIDE))
        partner_settings.max_unacked = MAX_UNACKED;
    fo_endpoint_start(&endpoint, &settings, &host, &record, &now);
}

void fuzz_endpoint(const uint8_t *data, size_t size)
{
    struct fuzz_script script = {data, size < FUZZ_INPUT_MAX ? size : FUZZ_INPUT_MAX};
    now = (struct fo_now){.ms = 1000, .seconds = SECONDS + 1};
    known = (struct fuzz_known){.seconds = now.seconds};
    storing = attempt = connection = false;
    fuzz_taken = 0;
    memset(&partner, 0, sizeof partner);
    inbound_count = partner_length = own_length = 0;
    memset(bindings, 0, sizeof bindings);
    begin(&script);
    while (script.left > 0)
        one_step(&script);
}
