/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Connections that have not yet said who they are, and what an operator learns where two servers
 * cannot find each other (draft 8.2): strangers, crowds, two primaries, two secondaries, names that
 * differ, an address on which one cannot listen. Each is told in the log, and no faster than once a
 * minute, and in the status.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/dialect.h"
#include "protocol/session.h"
#include "tests/unit/still_env.h"

#define SELF 0xc0000201u    /* 192.0.2.1 */
#define PARTNER 0xc0000202u /* 192.0.2.2 */
#define STRANGER 0xc0000209u
enum { PORT = 647, A_MINUTE = 60000 };

static struct fo_service *service;
static fo_connection next_id;
static fo_connection last_closed; /* by the service */
static uint8_t last_frame[FO_MESSAGE_MAX];
static size_t last_length;

static void hear(fo_connection connection, const uint8_t *data, size_t length)
{
    (void)connection;
    ck_assert_uint_le(length, sizeof last_frame);
    memcpy(last_frame, data, length);
    last_length = length;
}

static void note_closed(fo_connection connection)
{
    last_closed = connection;
}

static void begin(bool primary)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX] = "";
    struct fo_topology topology = {.persistent = true};
    still_reset();
    still.hears = hear;
    still.closed = note_closed;
    next_id = 1000;
    service = fo_service_new(&still_env, error);
    ck_assert_msg(service != NULL, "%s", error);
    still_configuration(primary, &config);
    ck_assert_msg(fo_service_configure(service, &config, &topology, error) == 0, "%s", error);
    fo_config_free(&config);
    still_settle(service);
}

static void end(void)
{
    fo_service_free(service);
    ck_assert_int_eq(still.blocks, 0);
}

static fo_connection call_from(uint32_t remote)
{
    fo_net_accepted(service, ++next_id, SELF, PORT, remote);
    return next_id;
}

/* A CONNECT of the partner's. */
static void say_connect(fo_connection connection, const char *name)
{
    struct fo_message message;
    uint8_t frame[FO_MESSAGE_MAX];
    fo_message_begin(&message, FO_MSG_CONNECT);
    message.time = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    message.xid = 7;
    message.present = FO_HAS(FO_OPT_RELATIONSHIP_NAME) | FO_HAS(FO_OPT_MAX_UNACKED_BNDUPD) |
                      FO_HAS(FO_OPT_RECEIVE_TIMER) | FO_HAS(FO_OPT_PROTOCOL_VERSION) |
                      FO_HAS(FO_OPT_MCLT) | FO_HAS(FO_OPT_HASH_BUCKET_ASSIGNMENT);
    message.relationship_name = (struct fo_bytes){(const uint8_t *)name, (uint16_t)strlen(name)};
    message.max_unacked = 10;
    message.receive_timer = 60;
    message.protocol_version = 1;
    message.mclt = 60;
    size_t length = fo_encode(&fo_dialect_draft, &message, frame, sizeof frame);
    ck_assert_uint_gt(length, 0);
    fo_net_received(service, connection, frame, length);
}

static struct fo_relationship_status status(void)
{
    struct fo_relationship_status result;
    ck_assert(fo_relationship_status(service, 0, &result));
    return result;
}

/* The answer was a CONNECTACK with reject reason 8 (invalid failover partner), then a close. */
static void is_refused(fo_connection connection)
{
    struct fo_message message;
    struct fo_decode_error error;
    ck_assert(fo_decode(&fo_dialect_draft, last_frame, last_length, &message, &error));
    ck_assert_int_eq(message.type, FO_MSG_CONNECTACK);
    ck_assert_uint_eq(message.xid, 7);
    ck_assert_int_eq(message.reject_reason, FO_REJECT_INVALID_PARTNER);
    ck_assert_uint_eq(last_closed, connection);
}

/* ------------------------------------------------------------------ who may be there at all */

START_TEST(a_stranger_is_closed_and_told_once_a_minute)
{
    begin(_i);
    for (int i = 0; i < 20; i++)
        ck_assert_uint_eq(call_from(STRANGER), last_closed);
    ck_assert_uint_eq(still.said[FAILOVER_STRANGER], 1);
    ck_assert_str_eq(still.words[FAILOVER_STRANGER], "192.0.2.9");
    still_later(service, A_MINUTE);
    call_from(STRANGER);
    ck_assert_uint_eq(still.said[FAILOVER_STRANGER], 2);
    end();
}
END_TEST

START_TEST(sixteen_may_wait_for_15_seconds)
{
    begin(_i);
    for (int i = 0; i < 16; i++)
        ck_assert_uint_ne(call_from(PARTNER), last_closed);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(call_from(PARTNER), last_closed);
    ck_assert_uint_eq(still.said[FAILOVER_TOO_MANY_CONNECTIONS], 1);
    still_later(service, 14900);
    ck_assert_uint_eq(call_from(PARTNER), last_closed);
    still_later(service, 200);
    ck_assert_uint_ne(call_from(PARTNER), last_closed);
    /* A secondary misses the CONNECT; to a primary they were a stimulus. */
    ck_assert_uint_eq(still.said[FAILOVER_CONNECT_REFUSED], _i ? 0 : 16);
    end();
}
END_TEST

/* ------------------------------------------------------------------ roles and names */

START_TEST(a_stimulus_makes_the_primary_call)
{
    begin(true);
    fo_net_closed(service, still.connections, "Connection refused");
    const fo_connection calls = still.connections;
    still_later(service, 1000);
    ck_assert_uint_eq(still.connections, calls); /* the next attempt is in 5 s */
    fo_net_closed(service, call_from(PARTNER), "closed by partner");
    still_later(service, 200);
    ck_assert_uint_eq(still.connections, calls + 1);
    ck_assert_uint_eq(still.said[FAILOVER_NO_CONNECT], 0);
    end();
}
END_TEST

START_TEST(two_primaries_are_told_so_and_do_not_call_each_other_for_ever)
{
    begin(true);
    for (int i = 0; i < 10; i++) {
        const fo_connection call = call_from(PARTNER);
        say_connect(call, "a-b");
        is_refused(call);
        fo_net_closed(service, still.connections, "closed by partner"); /* our own call */
        still_later(service, 300);
    }
    ck_assert_uint_le(still.connections, 3); /* of 10 that would be stimulated */
    ck_assert_uint_eq(still.said[FAILOVER_CONNECT_REFUSED], 1);
    ck_assert_str_eq(still.words[FAILOVER_CONNECT_REFUSED],
                     "a-b, b, both servers have the role primary, one must be the secondary");
    still_later(service, A_MINUTE);
    const fo_connection call = call_from(PARTNER);
    say_connect(call, "a-b");
    ck_assert_ptr_nonnull(strstr(status().last_error, "both servers have the role primary"));
    ck_assert_uint_eq(status().last_error_time, STILL_SECONDS + (uint32_t)(still.ms / 1000));
    ck_assert_uint_eq(still.said[FAILOVER_CONNECT_REFUSED], 2);
    end();
}
END_TEST

START_TEST(two_secondaries_are_told_so)
{
    begin(false);
    for (int i = 0; i < 5; i++)
        fo_net_closed(service, call_from(PARTNER), "closed by partner");
    ck_assert_uint_eq(still.said[FAILOVER_NO_CONNECT], 1);
    ck_assert_str_eq(still.words[FAILOVER_NO_CONNECT], "a-b, b");
    ck_assert_ptr_nonnull(strstr(status().last_error, "is it secondary, too?"));
    still_later(service, A_MINUTE);
    fo_net_closed(service, call_from(PARTNER), "closed by partner");
    ck_assert_uint_eq(still.said[FAILOVER_NO_CONNECT], 2);

    /* One that is connected is none of them. */
    say_connect(call_from(PARTNER), "a-b");
    ck_assert_uint_eq(still.said[FAILOVER_CONNECTED], 1);
    still_later(service, A_MINUTE / 2);
    fo_net_closed(service, call_from(PARTNER), "closed by partner");
    ck_assert_uint_eq(still.said[FAILOVER_NO_CONNECT], 2);
    end();
}
END_TEST

START_TEST(another_name_is_refused_with_the_one_there_is)
{
    begin(_i);
    const fo_connection call = call_from(PARTNER);
    say_connect(call, "b-a");
    is_refused(call);
    const char *wanted = _i ? "there is no relationship \"b-a\" here, but \"a-b\", of which this "
                              "server is the primary"
                            : "there is no relationship \"b-a\" here, but \"a-b\", of which this "
                              "server is the secondary";
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_CONNECT_REFUSED], wanted));
    ck_assert_str_eq(status().last_error, wanted);
    end();
}
END_TEST

/* ------------------------------------------------------------------ listening */

START_TEST(what_keeps_it_from_listening_is_told_and_shown)
{
    still_reset();
    begin(false);
    ck_assert_str_eq(status().listen_error, "");
    fo_service_free(service);

    struct fo_config config;
    struct fo_topology topology = {.persistent = true};
    char error[FO_CONFIG_ERROR_MAX] = "";
    still_reset();
    still.listen_error = EADDRINUSE;
    service = fo_service_new(&still_env, error);
    still_configuration(false, &config);
    ck_assert_int_eq(fo_service_configure(service, &config, &topology, error), 0);
    fo_config_free(&config);
    still_settle(service);
    for (int i = 0; i < 11; i++)
        still_later(service, 5000);
    ck_assert_uint_eq(still.said[FAILOVER_LISTEN_FAILED], 1);
    ck_assert_str_eq(status().listen_error,
                     "cannot listen on 192.0.2.1 port 647: Address already in use");
    still.listen_error = EADDRNOTAVAIL; /* another reason is news */
    still_later(service, 5000);
    still_later(service, 5000);
    ck_assert_uint_eq(still.said[FAILOVER_LISTEN_FAILED], 2);
    still.listen_error = 0;
    still_later(service, 5000);
    ck_assert_str_eq(status().listen_error, "");
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network");
    TCase *network = tcase_create("network");
    tcase_add_loop_test(network, a_stranger_is_closed_and_told_once_a_minute, 0, 2);
    tcase_add_loop_test(network, sixteen_may_wait_for_15_seconds, 0, 2);
    tcase_add_test(network, a_stimulus_makes_the_primary_call);
    tcase_add_test(network, two_primaries_are_told_so_and_do_not_call_each_other_for_ever);
    tcase_add_test(network, two_secondaries_are_told_so);
    tcase_add_loop_test(network, another_name_is_refused_with_the_one_there_is, 0, 2);
    tcase_add_test(network, what_keeps_it_from_listening_is_told_and_shown);
    suite_add_tcase(suite, network);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
