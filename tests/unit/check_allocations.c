/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Memory runs out in the real environment, which has no fo_env of another kind below it: when it is made,
 * listens, connects, accepts, sends and logs. The linker wraps malloc, calloc, realloc, strdup and free of
 * all that is linked into this program, so that any one of them fails. Check may be among that: nothing is
 * asserted from where an allocation is to fail until it has.
 *
 * What the service and its parameters do without memory: check_memory and its siblings.
 */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook/log_queue.h"
#include "tests/unit/noting_service.h"

enum { MOST = 100, PIECE = 3000 };

/* ------------------------------------------------------------------ memory */

static atomic_long fails_at; /* the allocation that fails, counted down; 0, or less: none */
static atomic_long blocks;   /* that live */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

static bool fails(void)
{
    if (atomic_fetch_sub(&fails_at, 1) != 1)
        return false;
    errno = ENOMEM;
    return true;
}

static void *counted(void *memory)
{
    blocks += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (fails())
        return NULL;
    return memory == NULL ? counted(__real_realloc(memory, size)) : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : counted(__real_strdup(text));
}

void __wrap_free(void *memory)
{
    blocks -= memory != NULL;
    __real_free(memory);
}

/* Whether it came to the allocation that was to fail. From here on none fails. */
static bool failed(void)
{
    return atomic_exchange(&fails_at, 0) <= 0;
}

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *all = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(all);
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

/* ------------------------------------------------------------------ the whole of it */

START_TEST(an_environment_is_made_whole_or_not_at_all)
{
    struct side side = {0};
    const struct fo_env_real_settings settings = {
        .state_file = "nowhere", .context = &side, .log = note_log, .wake_rows = note_rows};
    const unsigned open = descriptors();
    long n = 1, before = 0;
    for (; side.real == NULL; n++) {
        ck_assert_int_lt(n, MOST);
        before = blocks;
        errno = 0;
        fails_at = n;
        side.real = fo_env_real_new(&settings);
        const int error = errno;
        const bool short_of_it = failed();
        const long left = blocks - before;
        ck_assert_int_eq(short_of_it, side.real == NULL);
        if (side.real == NULL) {
            ck_assert_int_eq(error, ENOMEM);
            ck_assert_int_eq(left, 0);
            ck_assert_uint_eq(descriptors(), open);
        }
    }
    ck_assert_int_eq(n - 2, 11); /* itself, poller, transport (2), log (3), store (2), its thread, loop */
    before = blocks;
    fo_env_real_free(side.real);
    const long freed = before - blocks;
    ck_assert_int_eq(freed, 11);
    ck_assert_uint_eq(descriptors(), open);
}
END_TEST

/* What the service asks for: what it had stays where there is no more. */
START_TEST(the_services_memory)
{
    struct side a = {0};
    make_side(&a, 'a');
    const struct fo_env *env = a.env;
    fails_at = 1;
    const void *none = env->allocate(env->context, 10);
    ck_assert(failed() && none == NULL);
    uint8_t *bytes = env->allocate(env->context, 10);
    ck_assert(bytes != NULL && bytes[0] == 0 && bytes[9] == 0);
    bytes[9] = 7;
    fails_at = 1;
    none = env->reallocate(env->context, bytes, MEGA);
    ck_assert(failed() && none == NULL && bytes[9] == 7);
    bytes = env->reallocate(env->context, bytes, MEGA);
    ck_assert(bytes != NULL && bytes[9] == 7);
    env->release(env->context, bytes);
    fo_env_real_free(a.real);
}
END_TEST

/* ------------------------------------------------------------------ connections */

START_TEST(a_listener)
{
    struct side a = {0};
    start(&a, 'a');
    const unsigned open = descriptors();
    const uint16_t port = free_port();
    const long before = blocks;
    fails_at = 1;
    lock(&a);
    const int error = a.env->net_listen(a.env->context, LOOPBACK, port);
    unlock(&a);
    const long left = blocks - before;
    ck_assert(failed());
    ck_assert_int_eq(error, ENOMEM);
    ck_assert_int_eq(left, 0);
    ck_assert_uint_eq(descriptors(), open);
    lock(&a);
    ck_assert_int_eq(a.env->net_listen(a.env->context, LOOPBACK, port), 0);
    unlock(&a);
    close(plain_connect(port));
    AWAIT(&a, a.service.accepted_count == 1);
    stop(&a);
}
END_TEST

START_TEST(a_connection_that_is_begun)
{
    struct side a = {0}, b = {0};
    start(&a, 'a');
    start(&b, 'b');
    const uint16_t port = listen_on(&a);
    fails_at = 1;
    lock(&b);
    const fo_connection none = b.env->net_connect(b.env->context, 0, LOOPBACK, port);
    unlock(&b);
    ck_assert(failed());
    ck_assert_uint_eq(none, 0);
    const fo_connection id = connect_to(&b, 0, port);
    AWAIT(&b, b.service.connected == id);
    ck_assert_uint_eq(b.service.connected_count, 1);
    ck_assert_uint_eq(closed_count(&b), 0); /* of what was not begun nothing is reported */
    stop(&b);
    stop(&a);
}
END_TEST

/* The partner is sent away, nobody is accepted for a while, and the log says why. (That the same listener accepts
   again then, check_transport shows.) */
START_TEST(a_connection_that_is_accepted)
{
    struct side a = {0};
    char byte, expected[128];
    start(&a, 'a');
    const uint16_t port = listen_on(&a), other = listen_on(&a);
    const struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(LOOPBACK)};
    const unsigned open = descriptors();
    const int away = socket(AF_INET, SOCK_STREAM, 0);
    fails_at = 1;
    const int connected = connect(away, (const struct sockaddr *)&name, sizeof name);
    const ssize_t heard = recv(away, &byte, 1, 0);
    close(away);
    ck_assert(failed());
    ck_assert(connected == 0 && heard == 0);
    AWAIT(&a, a.logged == 1);
    snprintf(expected, sizeof expected, "LISTEN_FAILED|127.0.0.1|%u|Cannot allocate memory|5", port);
    ck_assert_str_eq(a.last_log, expected);
    ck_assert_uint_eq(a.service.accepted_count, 0);
    ck_assert_uint_eq(descriptors(), open);
    lock(&a);
    a.env->net_unlisten(a.env->context, LOOPBACK, other);
    ck_assert_int_eq(a.env->net_listen(a.env->context, LOOPBACK, other), 0);
    unlock(&a);
    const int there = plain_connect(other);
    AWAIT(&a, a.service.accepted_count == 1);
    close(there);
    stop(&a);
}
END_TEST

/* All or nothing is taken, and what was taken before is sent in its order. */
START_TEST(what_is_sent)
{
    struct side a = {0}, b = {0};
    uint8_t data[3 * PIECE];
    start(&a, 'a');
    start(&b, 'b');
    const uint16_t port = listen_on(&a);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = pattern(i);
    lock(&b); /* until it is left nothing is written, for the service has not heard that it is connected */
    const fo_connection id = b.env->net_connect(b.env->context, 0, LOOPBACK, port);
    const struct fo_env *env = b.env;
    fails_at = 1; /* the first of its bytes */
    bool taken = env->net_send(env->context, id, data, PIECE);
    ck_assert(failed() && !taken);
    ck_assert_uint_eq(env->net_queued(env->context, id), 0);
    ck_assert(env->net_send(env->context, id, data, PIECE));
    fails_at = 1; /* where there is no more room */
    taken = env->net_send(env->context, id, data + PIECE, PIECE);
    ck_assert(failed() && !taken);
    ck_assert_uint_eq(env->net_queued(env->context, id), PIECE);
    ck_assert(env->net_send(env->context, id, data + PIECE, PIECE));
    ck_assert(env->net_send(env->context, id, data + 2 * PIECE, PIECE));
    unlock(&b);
    AWAIT(&a, a.service.received == sizeof data);
    ck_assert(!a.service.disordered);
    ck_assert_uint_eq(closed_count(&a) + closed_count(&b), 0);
    stop(&b);
    stop(&a);
}
END_TEST

/* ------------------------------------------------------------------ the log */

static char written[400];

static void write_log(void *context, enum fo_log_id id, const char *const arguments[])
{
    (void)context;
    strcat(strcat(strcat(written, fo_log_texts[id].name + 9), " "), arguments[0]);
    strcat(strcat(written, arguments[1] != NULL ? arguments[1] : ""), "; ");
}

/* What was not logged is counted. */
START_TEST(a_message_of_the_log)
{
    const char *const one[] = {"one", NULL}, *const two[] = {"two", NULL}, *const three[] = {"three", NULL};
    const long before = blocks;
    struct fo_log_queue *queue = fo_log_queue_new(write_log, NULL);
    fo_log_queue_set_queueing(queue, true);
    bool taken = fo_log_queue_put(queue, FAILOVER_UPDATES_DONE, one);
    fails_at = 1;
    taken = fo_log_queue_put(queue, FAILOVER_UPDATES_DONE, two) && taken;
    const bool short_of_it = failed();
    taken = fo_log_queue_put(queue, FAILOVER_UPDATES_DONE, three) && taken;
    fo_log_queue_flush(queue);
    fo_log_queue_free(queue);
    const long left = blocks - before;
    ck_assert(short_of_it && taken);
    ck_assert_int_eq(left, 0);
    ck_assert_str_eq(written, "UPDATES_DONE one; UPDATES_DONE three; INTERNAL_ERROR log1 further messages "
                              "were not logged: too many at once, or no memory for them; ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("allocations");
    TCase *all = tcase_create("allocations");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, an_environment_is_made_whole_or_not_at_all);
    tcase_add_test(all, the_services_memory);
    tcase_add_test(all, a_listener);
    tcase_add_test(all, a_connection_that_is_begun);
    tcase_add_test(all, a_connection_that_is_accepted);
    tcase_add_test(all, what_is_sent);
    tcase_add_test(all, a_message_of_the_log);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
