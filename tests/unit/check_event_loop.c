/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The real env's threads: waking, deadlines, the store's answers, the log, stopping; and the small
 * things. Times are checked with room for a busy machine.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/noting_service.h"

/* ------------------------------------------------------------------ waking, deadlines */

START_TEST(a_wake_is_quick)
{
    struct side a = {0};
    start(&a, 'a');
    AWAIT(&a, a.service.steps > 0);
    pause_milliseconds(20);
    unsigned slow = 0;
    for (int i = 0; i < 100; i++) {
        lock(&a);
        const unsigned steps = a.service.steps;
        a.env->wake(a.env->context);
        unlock(&a);
        const int64_t begun = milliseconds();
        AWAIT(&a, a.service.steps > steps);
        slow += milliseconds() - begun > 5;
    }
    ck_assert_uint_lt(slow, 20);
    lock(&a);
    const unsigned steps = a.service.steps;
    unlock(&a);
    pause_milliseconds(100);
    lock(&a);
    ck_assert_uint_le(a.service.steps, steps + 1); /* and it sleeps otherwise */
    unlock(&a);
    stop(&a);
}
END_TEST

START_TEST(deadlines_are_kept)
{
    struct side a = {0};
    make_side(&a, 'a');
    a.service.interval = 30;
    ck_assert_int_eq(fo_env_real_run(a.real, &a.service), 0);
    unsigned late = 0;
    int64_t last = 0;
    AWAIT(&a, a.service.steps > 0);
    for (unsigned i = 0; i < 20; i++) {
        lock(&a);
        const unsigned steps = a.service.steps;
        last = a.service.last_step;
        unlock(&a);
        AWAIT(&a, a.service.steps > steps);
        lock(&a);
        const int64_t interval = a.service.last_step - last;
        const int64_t count = a.service.steps - steps; /* more than one where we have been held up */
        unlock(&a);
        ck_assert_int_ge(interval, 30 * count);
        late += interval > 30 * count + 10;
    }
    ck_assert_uint_lt(late, 10);
    /* An earlier deadline than the one set counts from the wake on. */
    lock(&a);
    a.service.interval = 3600000;
    unlock(&a);
    pause_milliseconds(100);
    lock(&a);
    a.service.interval = 50;
    const unsigned steps = a.service.steps;
    a.env->wake(a.env->context);
    unlock(&a);
    AWAIT(&a, a.service.steps >= steps + 4);
    stop(&a);
}
END_TEST

/* ------------------------------------------------------------------ store, log */

static const struct fo_store_write one_write = {(const uint8_t *)"key", (const uint8_t *)"value", 3,
                                                5};

static bool count_pairs(void *argument, const uint8_t *key, size_t key_length, const uint8_t *value,
                        size_t value_length)
{
    (void)key, (void)key_length, (void)value, (void)value_length;
    (*(unsigned *)argument)++;
    return true;
}

START_TEST(the_store_answers)
{
    struct side a = {0};
    unsigned pairs = 0;
    make_side(&a, 'a');
    a.service.batch = (struct fo_store_batch){&one_write, 1};
    ck_assert_int_eq(a.env->store_load(a.env->context, count_pairs, &pairs), 0);
    ck_assert_uint_eq(pairs, 0);
    a.env->store_commit(a.env->context, &a.service.batch); /* before run: waits for it */
    ck_assert_int_eq(fo_env_real_run(a.real, &a.service), 0);
    AWAIT(&a, a.service.committed == 1);
    ck_assert_int_eq(a.service.commit_error, 0);
    ck_assert_str_eq(a.service.commit_text, "");
    for (unsigned i = 2; i <= 20; i++) {
        lock(&a);
        a.env->store_commit(a.env->context, &a.service.batch);
        unlock(&a);
        AWAIT(&a, a.service.committed == i);
    }
    stop(&a);
    make_side(&a, 'a');
    ck_assert_int_eq(a.env->store_load(a.env->context, count_pairs, &pairs), 0);
    ck_assert_uint_eq(pairs, 1);
    fo_env_real_free(a.real);
}
END_TEST

START_TEST(the_store_fails)
{
    struct side a = {.log_mutex = PTHREAD_MUTEX_INITIALIZER};
    const struct fo_env_real_settings settings = {
        .state_file = "/nowhere/at/all", .context = &a, .log = note_log, .wake_rows = note_rows};
    a.real = fo_env_real_new(&settings);
    a.env = a.service.env = fo_env_real_env(a.real);
    a.service.batch = (struct fo_store_batch){&one_write, 1};
    ck_assert_int_eq(fo_env_real_run(a.real, &a.service), 0);
    lock(&a);
    a.env->store_commit(a.env->context, &a.service.batch);
    unlock(&a);
    AWAIT(&a, a.service.committed == 1);
    ck_assert_int_eq(a.service.commit_error, ENOENT);
    ck_assert_str_eq(a.service.commit_text, strerror(ENOENT));
    stop(&a);
}
END_TEST

START_TEST(the_log_is_written_without_the_lock)
{
    struct side a = {0};
    const char *const arguments[] = {"east", "text", NULL};
    make_side(&a, 'a');
    a.env->log(a.env->context, FAILOVER_CONFIG_WARNING, arguments);
    ck_assert_uint_eq(a.logged, 1); /* at once: no loop runs */
    ck_assert_str_eq(a.last_log, "CONFIG_WARNING|east|text");
    ck_assert(pthread_equal(a.log_thread, pthread_self()));
    ck_assert_int_eq(fo_env_real_run(a.real, &a.service), 0);
    lock(&a);
    a.log_takes_lock = true;
    const char *const none[] = {NULL};
    a.env->log(a.env->context, FAILOVER_STOPPED, none);
    ck_assert_uint_eq(a.logged, 1);
    unlock(&a);
    AWAIT(&a, a.logged == 2);
    ck_assert_str_eq(a.last_log, "STOPPED");
    ck_assert(!pthread_equal(a.log_thread, pthread_self()));
    fo_env_real_stop(a.real);
    a.env->log(a.env->context, FAILOVER_CONFIG_WARNING, arguments);
    ck_assert_uint_eq(a.logged, 3);
    a.env->wake_rows(a.env->context);
    ck_assert_uint_eq(a.rows_woken, 1);
    fo_env_real_free(a.real);
}
END_TEST

/* Until it is told to go on, or so long. */
START_TEST(a_log_that_is_held_loses_nothing)
{
    struct side a = {0};
    const char *const arguments[] = {"east", "text", NULL};
    start(&a, 'a');
    AWAIT(&a, a.service.steps > 0);
    fo_env_real_hold_log(a.real, 60000);
    for (unsigned i = 0; i < 3; i++)
        a.env->log(a.env->context, FAILOVER_CONFIG_WARNING, arguments);
    lock(&a);
    const unsigned steps = a.service.steps;
    a.env->wake(a.env->context);
    unlock(&a);
    AWAIT(&a, a.service.steps > steps);
    pause_milliseconds(30);
    ck_assert_uint_eq(a.logged, 0);
    fo_env_real_hold_log(a.real, 0);
    AWAIT(&a, a.logged == 3);
    fo_env_real_hold_log(a.real, 1);
    a.env->log(a.env->context, FAILOVER_STOPPED, arguments);
    pause_milliseconds(5);
    lock(&a);
    a.env->wake(a.env->context);
    unlock(&a);
    AWAIT(&a, a.logged == 4);
    fo_env_real_hold_log(a.real, 60000);
    a.env->log(a.env->context, FAILOVER_STOPPED, arguments);
    fo_env_real_stop(a.real); /* what was logged is out then */
    ck_assert_uint_eq(a.logged, 5);
    fo_env_real_free(a.real);
}
END_TEST

START_TEST(too_many_messages_are_counted)
{
    struct side a = {0};
    sem_t blocks, blocked;
    sem_init(&blocks, 0, 0);
    sem_init(&blocked, 0, 0);
    a.log_blocks = &blocks;
    a.log_blocked = &blocked;
    start(&a, 'a');
    const char *const arguments[] = {"first", NULL};
    a.env->log(a.env->context, FAILOVER_UPDATES_DONE, arguments);
    sem_wait(&blocked);
    for (unsigned i = 0; i < 1100; i++)
        a.env->log(a.env->context, FAILOVER_UPDATES_DONE, arguments);
    sem_post(&blocks);
    stop(&a);
    ck_assert_uint_eq(a.logged, 1 + 1024 + 1);
    ck_assert_str_eq(a.last_log,
                     "INTERNAL_ERROR|log|76 further messages were not logged: too many at once, or no memory "
                     "for them");
    sem_destroy(&blocks);
    sem_destroy(&blocked);
}
END_TEST

/* ------------------------------------------------------------------ threads, clocks, stopping */

/* Reads a line "<name>:\t<value>" of a thread's status. */
static bool thread_status(const char *thread, const char *name, char *value, size_t size)
{
    char path[300], line[256];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *file = fopen(path, "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            snprintf(value, size, "%s", line + strlen(name) + 2);
            value[strcspn(value, "\n")] = '\0';
            found = true;
        }
    if (file != NULL)
        fclose(file);
    return found;
}

START_TEST(threads_have_names_and_no_signals)
{
    struct side a = {0};
    start(&a, 'a');
    AWAIT(&a, a.service.steps > 0);
    pause_milliseconds(50);
    unsigned found = 0;
    DIR *list = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        char name[64], blocked[64];
        if (entry->d_name[0] == '.' || !thread_status(entry->d_name, "Name", name, sizeof name) ||
            (strcmp(name, "fo-loop") != 0 && strcmp(name, "fo-store") != 0))
            continue;
        found++;
        ck_assert(thread_status(entry->d_name, "SigBlk", blocked, sizeof blocked));
        /* 1 to 31 but KILL and STOP, which nobody can block */
        ck_assert_uint_eq(strtoull(blocked, NULL, 16) & 0x7fffffff, 0x7ffbfeff);
    }
    closedir(list);
    ck_assert_uint_eq(found, 2);
    stop(&a);
}
END_TEST

START_TEST(small_things)
{
    struct side a = {0};
    uint8_t id[16], again[16], random[2][16], zero[16] = {0};
    make_side(&a, 'a');
    void *context = a.env->context;
    uint8_t *memory = a.env->allocate(context, 16);
    ck_assert_mem_eq(memory, zero, 16);
    memory = a.env->reallocate(context, memory, 1000);
    ck_assert_ptr_nonnull(memory);
    a.env->release(context, memory);
    a.env->release(context, NULL);
    a.env->boot_id(context, id);
    a.env->boot_id(context, again);
    ck_assert_mem_eq(id, again, 16);
    ck_assert_mem_ne(id, zero, 16);
    a.env->random(context, random[0], 16);
    a.env->random(context, random[1], 16);
    ck_assert_mem_ne(random[0], random[1], 16);
    ck_assert_int_lt(llabs(a.env->boot_time(context) - milliseconds()), 1000);
    ck_assert_int_lt(llabs(a.env->wall_time(context) / 1000 - (int64_t)time(NULL)), 2);
    fo_env_real_free(a.real); /* was never run */
    fo_env_real_free(NULL);
}
END_TEST

struct worker {
    struct side *side;
    fo_connection id;
    _Atomic bool end;
};

/* As a callout's thread: wakes, logs, sends (to the side that only counts), asks. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    struct side *side = worker->side;
    const char *const arguments[] = {"worker", NULL};
    uint8_t data[300] = {0};
    while (!worker->end) {
        lock(side);
        side->env->wake(side->env->context);
        side->env->log(side->env->context, FAILOVER_UPDATES_DONE, arguments);
        side->env->net_send(side->env->context, worker->id, data, sizeof data);
        side->env->net_queued(side->env->context, worker->id);
        unlock(side);
        lock(side);
        fo_connection id = side->env->net_connect(side->env->context, 0, LOOPBACK, 9);
        unlock(side);
        sched_yield();
        lock(side);
        side->env->net_close(side->env->context, id);
        unlock(side);
    }
    return NULL;
}

START_TEST(stop_while_busy)
{
    struct side a = {0}, b = {0};
    const fo_connection id = connect_pair(&a, &b);
    struct worker worker = {.side = &b, .id = id};
    pthread_t threads[3];
    lock(&b);
    b.service.batch = (struct fo_store_batch){&one_write, 1};
    b.service.commit_again = true;
    b.service.interval = 1;
    b.env->store_commit(b.env->context, &b.service.batch);
    unlock(&b);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &worker), 0);
    pause_milliseconds(300);
    const int64_t begun = milliseconds();
    fo_env_real_stop(b.real);
    ck_assert_int_lt(milliseconds() - begun, 4000);
    worker.end = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_gt(b.service.committed, 0);
    fo_env_real_free(b.real);
    AWAIT(&a, a.service.closed_count == 1);
    ck_assert_uint_gt(a.service.received, 0);
    stop(&a);
}
END_TEST

START_TEST(stop_flushes)
{
    struct side a = {0}, b = {0};
    const fo_connection id = connect_pair(&a, &b);
    lock(&b);
    b.service.batch = (struct fo_store_batch){&one_write, 1};
    unlock(&b);
    ck_assert(send_pattern(&b, id, 0, 2 * MEGA, 100000));
    lock(&b);
    b.env->store_commit(b.env->context, &b.service.batch);
    unlock(&b);
    stop(&b);
    ck_assert_uint_eq(b.service.committed, 1);
    ck_assert_uint_eq(b.service.closed_count, 0);
    AWAIT(&a, a.service.closed_count == 1);
    ck_assert_uint_eq(a.service.received, 2 * MEGA);
    ck_assert(!a.service.disordered);
    stop(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_loop");
    TCase *loop = tcase_create("loop");
    tcase_add_checked_fixture(loop, setup, teardown);
    tcase_set_timeout(loop, 60);
    tcase_add_test(loop, a_wake_is_quick);
    tcase_add_test(loop, deadlines_are_kept);
    tcase_add_test(loop, the_store_answers);
    tcase_add_test(loop, the_store_fails);
    tcase_add_test(loop, the_log_is_written_without_the_lock);
    tcase_add_test(loop, a_log_that_is_held_loses_nothing);
    tcase_add_test(loop, too_many_messages_are_counted);
    tcase_add_test(loop, threads_have_names_and_no_signals);
    tcase_add_test(loop, small_things);
    tcase_add_test(loop, stop_while_busy);
    tcase_add_test(loop, stop_flushes);
    suite_add_tcase(suite, loop);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
