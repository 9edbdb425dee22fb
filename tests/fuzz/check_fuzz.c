/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The fuzzing targets without a fuzzer: each gets the stories it begins with, and mutations of them, in
 * the same order every time. That keeps the targets alive; tools/fuzz is what finds things.
 *
 *     check_fuzz                  a test for each target
 *     check_fuzz --corpus DIR     writes the stories into DIR/message, DIR/session, DIR/endpoint
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/stories.h"

static const char *top_srcdir(void)
{
    const char *top = getenv("top_srcdir");
    return top != NULL ? top : ".";
}

/* ------------------------------------------------------------------ mutations */

static uint64_t random_state = 88172645463325252U;

static uint32_t below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % bound);
}

/* The beginning of one story, the end of another, and some bytes that are different. */
static void mutate(const struct target *target, struct story *story)
{
    const struct story *one = &target->stories[below(target->count)];
    const struct story *other = &target->stories[below(target->count)];
    const size_t begin = below(one->length + 1), end = below(other->length + 1);
    memcpy(story->bytes, one->bytes, begin);
    story->length = begin;
    if (begin + end <= FUZZ_INPUT_MAX) {
        memcpy(story->bytes + begin, other->bytes + other->length - end, end);
        story->length += end;
    }
    for (uint32_t times = below(6); times > 0 && story->length > 0; times--)
        story->bytes[below(story->length)] = (uint8_t)below(256);
}

static void run(const struct target *target, unsigned mutations)
{
    static struct story story;
    tell_stories(top_srcdir());
    ck_assert_uint_gt(target->count, 10);
    for (size_t i = 0; i < target->count; i++)
        target->run(target->stories[i].bytes, target->stories[i].length);
    while (mutations-- > 0) {
        mutate(target, &story);
        target->run(story.bytes, story.length);
    }
}

START_TEST(any_bytes_as_a_frame)
{
    run(&targets[0], 100000);
}
END_TEST

START_TEST(any_frames_in_a_connection)
{
    run(&targets[1], 10000);
}
END_TEST

START_TEST(any_frames_in_any_state)
{
    run(&targets[2], 10000);
}
END_TEST

/* Or these stories would lead nowhere: all but the handshake and the end is taken by a session, BNDUPD by an
   endpoint. */
START_TEST(what_one_of_us_says_is_taken)
{
    const unsigned least[] = {0, 10, 1};
    const struct target *target = &targets[_i];
    tell_stories(top_srcdir());
    ck_assert_uint_gt(target->own, 10);
    for (size_t i = 0; i < target->own; i++) {
        target->run(target->stories[i].bytes, target->stories[i].length);
        ck_assert_msg(fuzz_taken >= least[_i], "%s, story %zu: %u", target->name, i, fuzz_taken);
    }
}
END_TEST

/* Of what was asserted of a frame that is sent: a frame that is none ends the process. */
START_TEST(a_target_can_fail)
{
    struct fuzz_known known = {0};
    struct fo_message message;
    fuzz_sent(&known, (const uint8_t *)"\0\014\001\014\0\0\0\0\0\0\0\0\0", 13, &message);
}
END_TEST

/* ------------------------------------------------------------------ the corpus */

static int write_corpus(const char *directory)
{
    char path[1024];
    tell_stories(top_srcdir());
    for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++) {
        snprintf(path, sizeof path, "%s/%s", directory, targets[t].name);
        if (mkdir(path, 0777) != 0)
            return perror(path), EXIT_FAILURE;
        for (size_t i = 0; i < targets[t].count; i++) {
            snprintf(path, sizeof path, "%s/%s/%03zu", directory, targets[t].name, i);
            FILE *file = fopen(path, "w");
            if (file == NULL ||
                fwrite(targets[t].stories[i].bytes, 1, targets[t].stories[i].length, file) !=
                    targets[t].stories[i].length ||
                fclose(file) != 0)
                return perror(path), EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
        return write_corpus(argv[2]);
    Suite *suite = suite_create("fuzz");
    TCase *tests = tcase_create("fuzz");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, any_bytes_as_a_frame);
    tcase_add_test(tests, any_frames_in_a_connection);
    tcase_add_test(tests, any_frames_in_any_state);
    tcase_add_loop_test(tests, what_one_of_us_says_is_taken, 1, 3);
    tcase_add_test_raise_signal(tests, a_target_can_fail, SIGABRT);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
