/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * TCP of the real env, over loopback between two of them or with a plain socket: what arrives, how
 * connections end and what is said of it, what is never exceeded.
 */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/noting_service.h"

/* ------------------------------------------------------------------ network */

START_TEST(connect_and_transfer)
{
    struct side a = {0}, b = {0};
    const fo_connection id = connect_pair(&a, &b);
    ck_assert_uint_eq(a.service.accepted_local, LOOPBACK);
    ck_assert_uint_eq(a.service.accepted_remote, LOOPBACK + 1); /* b is bound to its address */
    lock(&a);
    a.service.echo = true;
    unlock(&a);
    for (uint64_t place = 0; place < 16 * MEGA; place += MEGA) {
        ck_assert(send_pattern(&b, id, place, place + MEGA, 1 + (size_t)(place >> 12)));
        AWAIT(&a, a.service.received >= place); /* stay within the queue's limit */
    }
    AWAIT(&b, b.service.received == 16 * MEGA);
    ck_assert(!a.service.disordered && !b.service.disordered);
    ck_assert_uint_eq(queued(&b, id), 0);
    ck_assert_uint_eq(closed_count(&a) + closed_count(&b), 0);
    stop(&b);
    AWAIT(&a, a.service.closed == a.service.accepted);
    ck_assert_str_eq(a.service.reason, "closed by partner");
    stop(&a);
}
END_TEST

START_TEST(sent_before_connected)
{
    struct side a = {0}, b = {0};
    start(&a, 'a');
    start(&b, 'b');
    const uint16_t port = listen_on(&a);
    lock(&b); /* the loop cannot tell us before we have sent */
    const fo_connection id = b.env->net_connect(b.env->context, 0, LOOPBACK, port);
    uint8_t data[100];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = pattern(i);
    ck_assert(b.env->net_send(b.env->context, id, data, sizeof data));
    ck_assert_uint_eq(b.env->net_queued(b.env->context, id), sizeof data);
    unlock(&b);
    AWAIT(&a, a.service.received == sizeof data);
    ck_assert(!a.service.disordered);
    stop(&a);
    stop(&b);
}
END_TEST

START_TEST(refused_and_impossible)
{
    struct side b = {0};
    start(&b, 'b');
    fo_connection first = connect_to(&b, LOOPBACK, free_port());
    AWAIT(&b, b.service.closed == first);
    ck_assert_str_eq(b.service.reason, strerror(ECONNREFUSED));
    fo_connection second = connect_to(&b, 0xc0000201, free_port()); /* 192.0.2.1 is not ours */
    ck_assert_uint_ne(first, second);
    AWAIT(&b, b.service.closed == second);
    ck_assert_str_eq(b.service.reason, "own address: Cannot assign requested address");
    ck_assert_uint_eq(b.service.connected_count, 0);
    uint8_t byte = 0;
    lock(&b);
    ck_assert(!b.env->net_send(b.env->context, first, &byte, 1)); /* gone, and no number is used */
    ck_assert(!b.env->net_send(b.env->context, 0, &byte, 1));
    ck_assert_uint_eq(b.env->net_queued(b.env->context, first), 0);
    b.env->net_close(b.env->context, first);
    unlock(&b);
    stop(&b);
}
END_TEST

START_TEST(closed_while_connecting)
{
    struct side b = {0};
    start(&b, 'b');
    const uint16_t port = free_port();
    for (int i = 0; i < 50; i++) {
        fo_connection id = connect_to(&b, LOOPBACK, port);
        close_connection(&b, id);
    }
    pause_milliseconds(50);
    lock(&b); /* a refusal may have been quicker than our close, but nothing comes after it */
    unsigned closed = b.service.closed_count;
    unlock(&b);
    pause_milliseconds(50);
    lock(&b);
    ck_assert_uint_eq(b.service.closed_count, closed);
    ck_assert_uint_eq(b.service.connected_count, 0);
    unlock(&b);
    stop(&b);
}
END_TEST

START_TEST(a_reset_is_named)
{
    struct side a = {0};
    start(&a, 'a');
    int descriptor = plain_connect(listen_on(&a));
    AWAIT(&a, a.service.accepted != 0);
    const struct linger linger = {1, 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(descriptor);
    AWAIT(&a, a.service.closed == a.service.accepted);
    ck_assert_str_eq(a.service.reason, "connection reset");
    stop(&a);
}
END_TEST

START_TEST(listeners)
{
    struct side a = {0}, c = {0};
    start(&a, 'a');
    start(&c, 'c');
    const uint16_t port = listen_on(&a);
    ck_assert_int_eq(c.env->net_listen(c.env->context, LOOPBACK, port), EADDRINUSE);
    ck_assert_int_eq(a.env->net_listen(a.env->context, 0xc0000201, port), EADDRNOTAVAIL);
    close(plain_connect(port));
    AWAIT(&a, a.service.closed_count == 1);
    lock(&a);
    a.env->net_unlisten(a.env->context, LOOPBACK, port);
    a.env->net_unlisten(a.env->context, LOOPBACK, port);
    unlock(&a);
    fo_connection id = connect_to(&c, LOOPBACK, port);
    AWAIT(&c, c.service.closed == id);
    ck_assert_int_eq(a.env->net_listen(a.env->context, LOOPBACK, port), 0); /* at once again */
    close(plain_connect(port));
    AWAIT(&a, a.service.accepted_count == 2);
    stop(&a);
    stop(&c);
}
END_TEST

/* ------------------------------------------------------------------ closing, queues */

START_TEST(close_writes_what_waits)
{
    struct side a = {0}, b = {0};
    const fo_connection id = connect_pair(&a, &b);
    ck_assert(send_pattern(&b, id, 0, 3 * MEGA, 70001));
    close_connection(&b, id);
    lock(&b);
    const uint8_t byte = 0;
    ck_assert(!b.env->net_send(b.env->context, id, &byte, 1));
    unlock(&b);
    AWAIT(&a, a.service.closed_count == 1);
    ck_assert_uint_eq(a.service.received, 3 * MEGA);
    ck_assert(!a.service.disordered);
    ck_assert_str_eq(a.service.reason, "closed by partner");
    stop(&a);
    ck_assert_uint_eq(b.service.closed_count, 0); /* who closes hears no more */
    stop(&b);
}
END_TEST

START_TEST(close_does_not_reset_while_the_partner_sends)
{
    /* The last words of a must arrive although a never reads what b has sent meanwhile. */
    struct side a = {0}, b = {0};
    const fo_connection id = connect_pair(&a, &b);
    ck_assert(send_pattern(&b, id, 0, 2 * MEGA, 65536));
    ck_assert(send_pattern(&a, a.service.accepted, 0, 1000, 1000));
    close_connection(&a, a.service.accepted);
    AWAIT(&b, b.service.closed_count == 1);
    ck_assert_uint_eq(b.service.received, 1000);
    ck_assert_str_eq(b.service.reason, "closed by partner");
    stop(&a);
    stop(&b);
}
END_TEST

START_TEST(a_partner_that_does_not_read)
{
    struct side a = {0};
    start(&a, 'a');
    int descriptor = plain_connect(listen_on(&a));
    AWAIT(&a, a.service.accepted != 0);
    const fo_connection id = a.service.accepted;
    uint64_t sent = 0;
    /* Until the kernel takes no more either: it may wake late, and make room once more. */
    for (int64_t full_since = 0; full_since == 0 || milliseconds() - full_since < 300;) {
        if (send_pattern(&a, id, sent, sent + 100000, 100000)) {
            sent += 100000;
            full_since = 0;
        } else {
            full_since = full_since ? full_since : milliseconds();
            pause_milliseconds(1);
        }
        ck_assert_uint_lt(sent, 200 * MEGA);
        ck_assert_uint_le(queued(&a, id), 4 * MEGA);
    }
    ck_assert_uint_gt(queued(&a, id), 4 * MEGA - 100000);
    ck_assert_uint_eq(closed_count(&a), 0); /* that is for the service to do */
    const int64_t begun = milliseconds();
    close_connection(&a, id);
    int64_t took;
    do {
        pause_milliseconds(10);
        took = milliseconds() - begun;
    } while (queued(&a, id) != 0 && took < PATIENCE);
    ck_assert_int_ge(took, 1900);
    ck_assert_int_lt(took, 3000);
    close(descriptor);
    stop(&a);
    ck_assert_uint_eq(a.service.closed_count, 0);
}
END_TEST

START_TEST(a_crowd_of_closed_connections_does_not_linger)
{
    enum { CROWD = 60 };
    struct side a = {0};
    int descriptors[CROWD];
    start(&a, 'a');
    const uint16_t port = listen_on(&a);
    for (unsigned i = 0; i < CROWD; i++) {
        descriptors[i] = plain_connect(port); /* none of them reads or closes */
        AWAIT(&a, a.service.accepted_count == i + 1);
        ck_assert(send_pattern(&a, a.service.accepted, 0, 10, 10));
        close_connection(&a, a.service.accepted);
    }
    pause_milliseconds(100);
    unsigned open = 0;
    DIR *list = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(list);
    while (readdir(list) != NULL)
        open++;
    closedir(list);
    ck_assert_uint_lt(open, CROWD + 32 + 25); /* ours here, the 32 that may, and the rest */
    for (unsigned i = 0; i < CROWD; i++)
        close(descriptors[i]);
    stop(&a);
}
END_TEST

START_TEST(without_descriptors_accepting_waits)
{
    struct side a = {0};
    struct rlimit before, limit;
    start(&a, 'a');
    const uint16_t port = listen_on(&a);
    const struct sockaddr_in name = {.sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = 3; /* all of them are in use */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(connect(descriptor, (const struct sockaddr *)&name, sizeof name), 0);
    pause_milliseconds(300);
    lock(&a);
    const unsigned steps = a.service.steps;
    unlock(&a);
    ck_assert_uint_lt(steps, 20); /* does not spin */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    AWAIT(&a, a.service.accepted_count == 1);
    stop(&a);
    char expected[128];
    snprintf(expected, sizeof expected, "LISTEN_FAILED|127.0.0.1|%u|Too many open files|5", port);
    ck_assert_str_eq(a.last_log, expected);
    ck_assert_uint_eq(a.logged, 1);
    close(descriptor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *network = tcase_create("network");
    tcase_add_checked_fixture(network, setup, teardown);
    tcase_set_timeout(network, 60);
    tcase_add_test(network, connect_and_transfer);
    tcase_add_test(network, sent_before_connected);
    tcase_add_test(network, refused_and_impossible);
    tcase_add_test(network, closed_while_connecting);
    tcase_add_test(network, a_reset_is_named);
    tcase_add_test(network, listeners);
    suite_add_tcase(suite, network);
    TCase *closing = tcase_create("closing");
    tcase_add_checked_fixture(closing, setup, teardown);
    tcase_set_timeout(closing, 60);
    tcase_add_test(closing, close_writes_what_waits);
    tcase_add_test(closing, close_does_not_reset_while_the_partner_sends);
    tcase_add_test(closing, a_partner_that_does_not_read);
    tcase_add_test(closing, a_crowd_of_closed_connections_does_not_linger);
    tcase_add_test(closing, without_descriptors_accepting_waits);
    suite_add_tcase(suite, closing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
