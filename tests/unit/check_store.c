/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Stable storage: what was committed is there after reopening, and nothing else; whatever fails,
 * a batch is there whole or not at all, and the next commit can succeed. Each test has a directory
 * of its own.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/store.h"

static char directory[256], path[300]; /* of the running test */

static bool name_directory(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/check_store.XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(directory) != NULL;
}

static void setup(void)
{
    ck_assert(name_directory());
    snprintf(path, sizeof path, "%s/leases.csv.failover", directory);
}

static void teardown(void)
{
    unlink(path);
    rmdir(directory);
}

static struct fo_store *open_store(void)
{
    struct fo_store *store = fo_store_new(path);
    ck_assert_ptr_nonnull(store);
    return store;
}

/* ------------------------------------------------------------------ what is stored */

enum { PAIRS_MAX = 64 };

struct pairs {
    size_t count;      /* of all, seen */
    size_t stop_after; /* 0: never */
    char text[PAIRS_MAX][64]; /* the first ones, as key=value */
};

static bool see(void *argument, const uint8_t *key, size_t key_length, const uint8_t *value,
                size_t value_length)
{
    struct pairs *pairs = argument;
    if (pairs->count < PAIRS_MAX)
        snprintf(pairs->text[pairs->count], sizeof pairs->text[0], "%.*s=%.*s", (int)key_length,
                 (const char *)key, (int)value_length, (const char *)value);
    pairs->count++;
    return pairs->count != pairs->stop_after;
}

static struct pairs load(struct fo_store *store)
{
    struct pairs pairs = {0};
    ck_assert_int_eq(fo_store_load(store, see, &pairs), 0);
    return pairs;
}

static struct fo_store_write put(const char *key, const char *value)
{
    return (struct fo_store_write){.key = (const uint8_t *)key,
                                   .value = (const uint8_t *)value,
                                   .key_length = (uint16_t)strlen(key),
                                   .value_length =
                                       value != NULL ? (uint16_t)strlen(value) : (uint16_t)0};
}

static int commit(struct fo_store *store, const struct fo_store_write *writes, size_t count,
                  char text[FO_STORE_TEXT_MAX])
{
    const struct fo_store_batch batch = {writes, count};
    return fo_store_commit(store, &batch, text);
}

#define COMMIT(store, ...) \
    do { \
        const struct fo_store_write list[] = {__VA_ARGS__}; \
        char why[FO_STORE_TEXT_MAX]; \
        ck_assert_msg(commit(store, list, sizeof list / sizeof list[0], why) == 0, "%s", why); \
    } while (0)

START_TEST(a_new_store_is_empty)
{
    struct fo_store *store = open_store();
    ck_assert_uint_eq(load(store).count, 0);
    ck_assert_uint_eq(load(store).count, 0);
    fo_store_free(store);
    struct stat file;
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_uint_eq(file.st_mode & 0137, 0); /* at most 0640 */
}
END_TEST

START_TEST(the_only_file_is_the_one_named)
{
    struct fo_store *store = open_store();
    COMMIT(store, put("a", "1"));
    DIR *list = opendir(directory);
    ck_assert_ptr_nonnull(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        ck_assert_msg(entry->d_name[0] == '.' ||
                          strcmp(entry->d_name, "leases.csv.failover") == 0,
                      "%s", entry->d_name);
    closedir(list);
    fo_store_free(store);
}
END_TEST

START_TEST(what_was_committed_is_there_after_reopening)
{
    struct fo_store *store = open_store();
    COMMIT(store, put("b", "2"), put("a", "1"), put("c", ""));
    COMMIT(store, put("b", "two"), put("d", "4"));
    fo_store_free(store);
    store = open_store();
    struct pairs pairs = load(store);
    ck_assert_uint_eq(pairs.count, 4);
    ck_assert_str_eq(pairs.text[0], "a=1"); /* in the order of the keys */
    ck_assert_str_eq(pairs.text[1], "b=two");
    ck_assert_str_eq(pairs.text[2], "c=");
    ck_assert_str_eq(pairs.text[3], "d=4");
    struct pairs first = {.stop_after = 2};
    ck_assert_int_eq(fo_store_load(store, see, &first), 0);
    ck_assert_uint_eq(first.count, 2);
    COMMIT(store, put("e", "5")); /* after a load that was stopped */
    ck_assert_uint_eq(load(store).count, 5);
    fo_store_free(store);
}
END_TEST

START_TEST(deletes)
{
    struct fo_store *store = open_store();
    COMMIT(store, put("a", "1"), put("b", "2"));
    COMMIT(store, put("a", NULL), put("never there", NULL), put("c", "3"), put("c", NULL));
    fo_store_free(store);
    store = open_store();
    struct pairs pairs = load(store);
    ck_assert_uint_eq(pairs.count, 1);
    ck_assert_str_eq(pairs.text[0], "b=2");
    fo_store_free(store);
}
END_TEST

START_TEST(the_longest_key_and_an_empty_batch)
{
    char key[512] = "";
    memset(key, 'k', 511);
    struct fo_store *store = open_store();
    COMMIT(store, put(key, "long"));
    char text[FO_STORE_TEXT_MAX];
    ck_assert_int_eq(commit(store, NULL, 0, text), 0);
    /* A key that LMDB does not take spoils its batch, and only that. */
    const struct fo_store_write bad[] = {put("a", "1"), put("", "empty")};
    ck_assert_int_ne(commit(store, bad, 2, text), 0);
    ck_assert_str_ne(text, "");
    COMMIT(store, put("z", "26"));
    ck_assert_uint_eq(load(store).count, 2);
    fo_store_free(store);
}
END_TEST

/* `count` pairs of 4-byte keys from `first`, each with the same value. */
static struct fo_store_write *many(uint32_t first, size_t count, const void *value, uint16_t length,
                                   uint32_t **keys)
{
    struct fo_store_write *writes = calloc(count, sizeof *writes);
    *keys = calloc(count, sizeof **keys);
    ck_assert(writes != NULL && *keys != NULL);
    for (size_t i = 0; i < count; i++) {
        (*keys)[i] = __builtin_bswap32(first + (uint32_t)i);
        writes[i] = (struct fo_store_write){(const uint8_t *)&(*keys)[i], value, 4, length};
    }
    return writes;
}

START_TEST(the_map_grows)
{
    static uint8_t value[60000];
    char text[FO_STORE_TEXT_MAX];
    uint32_t *keys;
    struct fo_store *store = open_store();
    memset(value, 7, sizeof value);
    COMMIT(store, put("zzzzz", "before"));
    /* 180 MB in one batch: 64 MiB doubled twice on the way. Then as much again in small values. */
    struct fo_store_write *writes = many(0, 3000, value, sizeof value, &keys);
    ck_assert_msg(commit(store, writes, 3000, text) == 0, "%s", text);
    free(writes);
    free(keys);
    writes = many(10000, 400000, value, 100, &keys);
    ck_assert_msg(commit(store, writes, 400000, text) == 0, "%s", text);
    free(writes);
    free(keys);
    ck_assert_uint_eq(load(store).count, 403001);
    fo_store_free(store);
    store = open_store();
    ck_assert_uint_eq(load(store).count, 403001);
    COMMIT(store, put("zzzzz", NULL));
    ck_assert_uint_eq(load(store).count, 403000);
    fo_store_free(store);
}
END_TEST

/* ------------------------------------------------------------------ failures */

START_TEST(a_full_disk_loses_the_batch_only)
{
    static uint8_t value[4000];
    char text[FO_STORE_TEXT_MAX];
    uint32_t *keys;
    struct rlimit before, limit;
    struct fo_store *store = open_store();
    COMMIT(store, put("aaaaa", "kept"), put("zzzzz", "old"));
    /* The limit of a file's size stands for the disk: its error comes at the same places. */
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 200000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct fo_store_write *writes = many(0, 1000, value, sizeof value, &keys);
    writes[999] = put("zzzzz", "new");
    for (int i = 0; i < 3; i++) {
        /* EIO: a part of one write was taken. */
        int error = commit(store, writes, 1000, text);
        ck_assert_msg(error == EFBIG || error == EIO, "%d", error);
        ck_assert_str_eq(text, strerror(error));
        struct pairs pairs = load(store);
        ck_assert_uint_eq(pairs.count, 2);
        ck_assert_str_eq(pairs.text[1], "zzzzz=old");
    }
    COMMIT(store, put("bbbbb", "a small one fits"));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_msg(commit(store, writes, 1000, text) == 0, "%s", text);
    free(writes);
    free(keys);
    fo_store_free(store);
    store = open_store();
    ck_assert_uint_eq(load(store).count, 999 + 3);
    fo_store_free(store);
}
END_TEST

/* Makes the test's directory a disk of one megabyte; false where that is not allowed. */
static bool mount_small_disk(void)
{
    return mount("none", directory, "tmpfs", 0, "size=1m") == 0;
}

START_TEST(a_really_full_disk)
{
    static uint8_t value[4000];
    char text[FO_STORE_TEXT_MAX];
    uint32_t *keys;
    ck_assert(mount_small_disk());
    struct fo_store *store = open_store();
    COMMIT(store, put("aaaaa", "kept"));
    struct fo_store_write *writes = many(0, 1000, value, sizeof value, &keys);
    int error = commit(store, writes, 1000, text);
    struct pairs pairs = load(store);
    int small = commit(store, writes, 10, text);
    fo_store_free(store);
    free(writes);
    free(keys);
    ck_assert_int_eq(umount(directory), 0);
    ck_assert_int_eq(error, ENOSPC);
    ck_assert_uint_eq(pairs.count, 1);
    ck_assert_int_eq(small == 0 ? ENOSPC : small, ENOSPC);
}
END_TEST

START_TEST(a_place_that_cannot_be_written)
{
    struct pairs pairs = {0};
    char text[FO_STORE_TEXT_MAX], other[320];
    const struct fo_store_write write = put("a", "1");
    snprintf(other, sizeof other, "%s/missing/file", directory);
    struct fo_store *store = fo_store_new(other);
    ck_assert_int_eq(fo_store_load(store, see, &pairs), ENOENT);
    ck_assert_int_eq(commit(store, &write, 1, text), ENOENT);
    ck_assert_str_eq(text, strerror(ENOENT));
    fo_store_free(store);
    store = fo_store_new(directory);
    ck_assert_int_eq(fo_store_load(store, see, &pairs), EISDIR);
    fo_store_free(store);
}
END_TEST

START_TEST(a_directory_without_permission)
{
    struct pairs pairs = {0};
    ck_assert_int_eq(chmod(directory, 0555), 0);
    struct fo_store *store = open_store();
    ck_assert_int_eq(fo_store_load(store, see, &pairs), EACCES);
    ck_assert_int_eq(chmod(directory, 0755), 0);
    COMMIT(store, put("a", "1"));
    fo_store_free(store);
}
END_TEST

START_TEST(a_lost_file_is_not_made_anew)
{
    char text[FO_STORE_TEXT_MAX];
    const struct fo_store_write bad = put("", ""), good = put("b", "2");
    struct fo_store *store = open_store();
    COMMIT(store, put("a", "1"));
    ck_assert_int_ne(commit(store, &bad, 1, text), 0); /* closes the file */
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(commit(store, &good, 1, text), ENOENT);
    ck_assert_int_eq(access(path, F_OK), -1);
    fo_store_free(store);
}
END_TEST

/* ------------------------------------------------------------------ damaged files */

static void write_file(const void *data, size_t length)
{
    int descriptor = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(write(descriptor, data, length), (ssize_t)length);
    close(descriptor);
}

START_TEST(something_else)
{
    struct pairs pairs = {0};
    char text[100000];
    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
    struct fo_store *store = open_store();
    ck_assert_int_eq(fo_store_load(store, see, &pairs), EUCLEAN);
    fo_store_free(store);
    ck_assert_int_eq(truncate(path, 10), 0);
    store = open_store();
    ck_assert_int_eq(fo_store_load(store, see, &pairs), EUCLEAN);
    fo_store_free(store);
    ck_assert_int_eq(truncate(path, 0), 0); /* empty: as new */
    store = open_store();
    ck_assert_int_eq(fo_store_load(store, see, &pairs), 0);
    fo_store_free(store);
}
END_TEST

/* Nor is a file good whose next commit fails (`_i`: most of it is free, which only commits read). */
START_TEST(a_file_cut_short)
{
    static uint8_t value[100];
    const size_t all = 4000, some = 200, stay = _i ? some : all;
    char text[FO_STORE_TEXT_MAX];
    uint32_t *keys;
    struct fo_store_write *writes = many(0, all, value, sizeof value, &keys);
    struct fo_store *store = open_store();
    ck_assert_int_eq(commit(store, writes, all, text), 0);
    for (size_t i = stay; i < all; i++)
        writes[i].value = NULL;
    ck_assert_int_eq(commit(store, writes + stay, all - stay, text), 0);
    fo_store_free(store);
    struct stat file;
    ck_assert_int_eq(stat(path, &file), 0);
    for (off_t kept = file.st_size - 4096; kept > 12288; kept -= 4096) {
        struct pairs pairs = {0};
        ck_assert_int_eq(truncate(path, kept), 0);
        store = open_store();
        int error = fo_store_load(store, see, &pairs);
        ck_assert_msg(error == EUCLEAN || (error == 0 && pairs.count == stay), "%d, %zu", error,
                      pairs.count);
        if (error == 0)
            ck_assert_msg(commit(store, writes, some, text) == 0, "%s", text);
        fo_store_free(store);
    }
    free(writes);
    free(keys);
}
END_TEST

/* ------------------------------------------------------------------ killed while committing */

enum { GENERATION_KEYS = 50 };

static void commit_generations(void)
{
    struct fo_store *store = fo_store_new(path);
    for (uint32_t generation = 1;; generation++) {
        char text[FO_STORE_TEXT_MAX];
        uint32_t *keys;
        struct fo_store_write *writes =
            many(0, GENERATION_KEYS, &generation, sizeof generation, &keys);
        if (commit(store, writes, GENERATION_KEYS, text) != 0)
            _exit(1);
        free(writes);
        free(keys);
    }
}

static bool see_generation(void *argument, const uint8_t *key, size_t key_length,
                           const uint8_t *value, size_t value_length)
{
    uint32_t *generations = argument, generation, number;
    ck_assert(key_length == 4 && value_length == 4);
    memcpy(&number, key, 4);
    memcpy(&generation, value, 4);
    ck_assert_uint_lt(__builtin_bswap32(number), GENERATION_KEYS);
    generations[__builtin_bswap32(number)] = generation;
    return true;
}

START_TEST(killed_while_committing)
{
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            commit_generations();
        const struct timespec pause = {0, 5000000 + round * 1777777L};
        nanosleep(&pause, NULL);
        int status;
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status));
        uint32_t generations[GENERATION_KEYS] = {0};
        struct fo_store *store = open_store();
        ck_assert_int_eq(fo_store_load(store, see_generation, generations), 0);
        fo_store_free(store);
        for (int i = 1; i < GENERATION_KEYS; i++)
            ck_assert_uint_eq(generations[i], generations[0]);
    }
}
END_TEST

/* Only root may, and not everywhere. */
static bool can_mount(void)
{
    if (!name_directory())
        return false;
    const bool can = mount_small_disk();
    if (can)
        umount(directory);
    rmdir(directory);
    return can;
}

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *kept = tcase_create("kept");
    tcase_add_checked_fixture(kept, setup, teardown);
    tcase_set_timeout(kept, 60);
    tcase_add_test(kept, a_new_store_is_empty);
    tcase_add_test(kept, the_only_file_is_the_one_named);
    tcase_add_test(kept, what_was_committed_is_there_after_reopening);
    tcase_add_test(kept, deletes);
    tcase_add_test(kept, the_longest_key_and_an_empty_batch);
    tcase_add_test(kept, the_map_grows);
    tcase_add_test(kept, killed_while_committing);
    suite_add_tcase(suite, kept);
    TCase *failures = tcase_create("failures");
    tcase_add_checked_fixture(failures, setup, teardown);
    tcase_add_test(failures, a_full_disk_loses_the_batch_only);
    tcase_add_test(failures, a_place_that_cannot_be_written);
    if (geteuid() != 0) /* nothing is forbidden to root */
        tcase_add_test(failures, a_directory_without_permission);
    if (can_mount())
        tcase_add_test(failures, a_really_full_disk);
    tcase_add_test(failures, a_lost_file_is_not_made_anew);
    tcase_add_test(failures, something_else);
    tcase_add_loop_test(failures, a_file_cut_short, 0, 2);
    suite_add_tcase(suite, failures);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
