/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See own_words.h. Where a message needs an answer's xid, it is that of the last one of the other side. */
#include "tests/fuzz/own_words.h"

#include <string.h>

#include "protocol/details.h"

struct speaker {
    struct fo_session session;
    struct fo_session_settings settings;
    uint8_t frame[FO_MESSAGE_MAX]; /* the last one */
    size_t length;
    uint32_t xid;
};

static struct speaker primary, secondary;
static struct fo_message message;
static void (*listener)(bool by_primary, const uint8_t *frame, size_t length);
static const struct fo_now now = {.ms = 1000, .seconds = FUZZ_SECONDS + 1};

/* ------------------------------------------------------------------ two sessions */

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    struct speaker *speaker = context;
    memcpy(speaker->frame, frame, length);
    speaker->length = length;
    listener(speaker == &primary, frame, length);
    return true;
}

static void on_established(void *context, const struct fo_now *at)
{
    (void)context;
    (void)at;
}

static void on_received(void *context, const struct fo_message *received, const struct fo_now *at)
{
    (void)context;
    (void)received;
    (void)at;
}

static void on_ended(void *context, const struct fo_session_end *end, const struct fo_now *at)
{
    (void)context;
    (void)end;
    (void)at;
}

static struct fo_session_host host_of(struct speaker *speaker)
{
    return (struct fo_session_host){speaker, on_send, on_established, on_received, on_ended};
}

static void shake_hands(unsigned extras)
{
    struct fo_decode_error error;
    struct fo_session_end end;
    const struct fo_session_host of_primary = host_of(&primary), of_secondary = host_of(&secondary);
    memset(&primary, 0, sizeof primary);
    memset(&secondary, 0, sizeof secondary);
    primary.settings = fuzz_settings(true, extras);
    secondary.settings = fuzz_settings(false, extras);
    fo_session_connect(&primary.session, &primary.settings, &of_primary, &now);
    fuzz_must(fo_decode(&fo_dialect_draft, primary.frame, primary.length, &message, &error) &&
                  fo_session_accept(&secondary.session, &secondary.settings, &of_secondary, &message,
                                    &now, &end),
              "our CONNECT is accepted by one of us");
    fo_session_receive(&primary.session, secondary.frame, secondary.length, &now);
    fuzz_must(primary.session.phase == FO_SESSION_ESTABLISHED, "so is our CONNECTACK");
}

/* ------------------------------------------------------------------ what they say */

static void say(struct speaker *speaker, bool response)
{
    speaker->xid = fo_session_send(&speaker->session, &message, response, &now);
    fuzz_must(speaker->xid != 0, "our own words can be said");
}

static void say_bare(struct speaker *speaker, enum fo_message_type type)
{
    fo_message_begin(&message, (uint8_t)type);
    say(speaker, false);
}

static void say_state(struct speaker *speaker)
{
    fo_message_begin(&message, FO_MSG_STATE);
    message.present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                      FO_HAS(FO_OPT_START_TIME_OF_STATE);
    message.server_state = FO_STATE_NORMAL;
    message.start_of_state = FUZZ_SECONDS - 100;
    say(speaker, false);
}

/* A lease with all that there is to tell of it; `ended`, one that has ended, with its names to be removed. */
static void add_lease(bool ended, struct fo_details_space *space)
{
    static const uint8_t client[] = {1, 2, 0, 0, 0, 0, 9}, name[] = "host.example.org.";
    static const uint8_t agent[] = {1, 4, 'e', 't', 'h', '0'};
    const struct fo_details details = {.told = true, .forward = true, .reverse = true,
                                       .name = name, .name_length = sizeof name - 1,
                                       .agent = agent, .agent_length = sizeof agent};
    struct fo_update *update = &message.updates[message.update_count];
    *update = (struct fo_update){
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   FO_HAS(FO_OPT_CLIENT_IDENTIFIER) | FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) |
                   FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) | FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME) |
                   FO_HAS(FO_OPT_START_TIME_OF_STATE) | FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME),
        .address = FUZZ_BASE + (uint32_t)message.update_count++,
        .status = ended ? FO_RELEASED : FO_ACTIVE,
        .client_identifier = {client, sizeof client}, .hardware_address = {client, sizeof client},
        .lease_expiration = FUZZ_SECONDS + 60, .potential_expiration = FUZZ_SECONDS + 600,
        .start_of_state = FUZZ_SECONDS - 60, .client_last_transaction = FUZZ_SECONDS - 60};
    fo_details_say(&details, update, space);
}

static void add_free(enum fo_binding_status status, uint16_t flags)
{
    message.updates[message.update_count] = (struct fo_update){
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   FO_HAS(FO_OPT_START_TIME_OF_STATE) | (flags ? FO_HAS(FO_OPT_IP_FLAGS) : 0),
        .address = FUZZ_BASE + (uint32_t)message.update_count,
        .status = (uint8_t)status, .ip_flags = flags, .start_of_state = FUZZ_SECONDS - 60};
    message.update_count++;
}

static void say_updates(struct speaker *speaker)
{
    struct fo_details_space spaces[2];
    fo_message_begin(&message, FO_MSG_BNDUPD);
    add_lease(false, &spaces[0]);
    add_lease(true, &spaces[1]);
    add_free(FO_BACKUP, FO_IP_FLAG_RESERVED);
    add_free(FO_FREE, 0);
    say(speaker, false);
}

static void say_answer(struct speaker *speaker, const struct speaker *to)
{
    static const uint8_t words[] = "a later one is known";
    fo_message_begin(&message, FO_MSG_BNDACK);
    message.xid = to->xid;
    for (uint32_t i = 0; i < 2; i++)
        message.updates[message.update_count++] = (struct fo_update){
            .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) |
                       (i ? FO_HAS(FO_OPT_REJECT_REASON) | FO_HAS(FO_OPT_MESSAGE) : 0),
            .address = FUZZ_BASE + i,
            .reject_reason = FO_REJECT_OUTDATED,
            .message = {words, sizeof words - 1}};
    say(speaker, true);
}

static void say_pool_answer(struct speaker *speaker, const struct speaker *to)
{
    fo_message_begin(&message, FO_MSG_POOLRESP);
    message.present = FO_HAS(FO_OPT_ADDRESSES_TRANSFERRED);
    message.addresses_transferred = 3;
    message.xid = to->xid;
    say(speaker, true);
}

/* What a reload changes. */
static void tell_news(struct speaker *speaker)
{
    const struct fo_serving standby = {FO_MODE_HOT_STANDBY, FO_HASH_HARDWARE};
    struct fo_ranges pools = {.count = 0};
    for (uint32_t i = 0; i < 4; i++)
        fo_ranges_append(&pools, FUZZ_BASE + 4 * i, FUZZ_BASE + 4 * i + 2);
    fo_session_tell_pools(&speaker->session, &pools, &now);
    fo_session_tell_serving(&speaker->session, &standby, &now);
    fo_session_tell_count(&speaker->session, 7, &now);
}

static void say_all(struct speaker *one, struct speaker *other)
{
    say_state(one);
    say_bare(one, FO_MSG_UPDREQ);
    say_bare(one, FO_MSG_UPDREQALL);
    say_updates(one);
    say_answer(other, one);
    say_bare(one, FO_MSG_POOLREQ);
    say_pool_answer(other, one);
    tell_news(one);
    say_bare(one, FO_MSG_CONTACT);
}

void own_words(unsigned extras, void (*hear)(bool by_primary, const uint8_t *frame, size_t length))
{
    listener = hear;
    shake_hands(extras);
    say_all(&primary, &secondary);
    say_all(&secondary, &primary);
    say_bare(&primary, FO_MSG_UPDDONE);
    fo_session_close(&primary.session, FO_REJECT_OTHER, "an operator wants it", &now);
    fo_session_close(&secondary.session, FO_REJECT_OTHER, "an operator wants it", &now);
}
