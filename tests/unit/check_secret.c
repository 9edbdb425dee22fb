/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The secret in the parameters (what is refused, what is warned of, and that no text ever shows it), and
 * at the service's door: who has not the secret, or only a recording, ends no connection and gets none
 * (11.1).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/secret.h"
#include "hook/service_internal.h"
#include "tests/unit/still_env.h"

#define SELF 0xc0000201u    /* 192.0.2.1 */
#define PARTNER 0xc0000202u /* 192.0.2.2 */
#define SECRET "correct horse battery"

/* ------------------------------------------------------------------ parameters */

static char directory[] = "/tmp/check_secret_XXXXXX";
static char path[64];

static void make_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/secret", directory);
}

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
}

static void write_file(const char *content, size_t length, mode_t mode)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(content, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* Parses good parameters with `more` in the relationship's map; "FILE" in it is the file. */
static int parse(const char *more, bool primary, struct fo_config *config, char *error)
{
    char keys[1024], json[2048];
    const char *file = strstr(more, "FILE");
    if (file != NULL)
        snprintf(keys, sizeof keys, "%.*s%s%s", (int)(file - more), more, path, file + 4);
    else
        snprintf(keys, sizeof keys, "%s", more);
    snprintf(json, sizeof json,
             "{\"high-availability\": [{\"this-server-name\": \"a\", \"mode\": \"load-balancing\","
             "\"relationship-name\": \"a-b\", %s%s\"max-client-lead-time\": 60, \"peers\": ["
             "{\"name\": \"a\", \"url\": \"tcp://192.0.2.1\", \"role\": \"%s\"},"
             "{\"name\": \"b\", \"url\": \"tcp://192.0.2.2\", \"role\": \"%s\"}]}]}",
             keys, keys[0] ? "," : "", primary ? "primary" : "secondary",
             primary ? "secondary" : "primary");
    return fo_config_parse(json, config, error);
}

static const struct {
    const char *keys, *error;
} wrong[] = {
    {"\"secret\": \"\"", "secret: is not allowed so: must be a string of 1 to 255 bytes, at best 16 or "
                         "more; leave it out to sign nothing"},
    {"\"secret\": 12345678", "secret: is not allowed so: must be a string of 1 to 255 bytes"},
    {"\"secret\": null", "secret: is not allowed so: must be a string of 1 to 255 bytes"},
    {"\"secret\": \"*****\"", "secret: is what config-get shows in place of the secret: must be the secret"},
    {"\"secret\": \"" SECRET "\", \"secret-file\": \"FILE\"",
     "secret: is not allowed beside secret-file: must be one of the two"},
    {"\"secret-file\": \"secret\"", "secret-file: \"secret\" is not allowed: must be the absolute path"},
    {"\"secret-file\": 7", "secret-file: \"(no string)\" is not allowed: must be the absolute path"},
    {"\"secret-file\": \"FILE.not\"", "(No such file or directory): must be the absolute path of a plain"},
    {"\"secret-file\": \"/dev/null\"", "\"/dev/null\" cannot be read (it is no plain file)"},
    {"\"secret-file\": \"/tmp\"", "\"/tmp\" cannot be read (it is no plain file)"},
    {"\"secret\": \"" SECRET "\", \"digest\": \"hmac-sha1\"",
     "digest: \"hmac-sha1\" is not allowed: must be hmac-sha256, or hmac-md5"},
    {"\"secret\": \"" SECRET "\", \"digest\": \"none\"", "digest: \"none\" is not allowed: must be"},
    {"\"secret\": \"" SECRET "\", \"digest\": 2", "digest: \"(no string)\" is not allowed: must be"},
    {"\"digest\": \"hmac-sha256\"", "digest: \"hmac-sha256\" is not allowed without secret or secret-file"},
    {"\"secret\": [\"" SECRET "\"]", "secret: is not allowed so: must be a string"},
    /* A mistyped key does not show it either. */
    {"\"secert\": \"" SECRET "\"", "secert: \"...\" is not allowed: unknown key; the keys here are: "},
};

START_TEST(wrong_values_are_refused_and_not_shown)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    write_file(SECRET, strlen(SECRET), 0600);
    ck_assert_int_eq(parse(wrong[_i].keys, true, &config, error), -1);
    ck_assert_msg(strstr(error, wrong[_i].error) != NULL, "%s", error);
    ck_assert_ptr_null(strstr(error, "horse"));
    ck_assert_ptr_null(strstr(error, "12345678"));
    ck_assert(strstr(error, "must be") != NULL || strstr(error, "unknown key") != NULL);
}
END_TEST

START_TEST(a_secret_is_1_to_255_bytes)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX], keys[400], bytes[300];
    memset(bytes, 'x', sizeof bytes);
    for (int length = 1; length <= 256; length++) {
        snprintf(keys, sizeof keys, "\"secret\": \"%.*s\"", length, bytes);
        ck_assert_int_eq(parse(keys, true, &config, error), length <= 255 ? 0 : -1);
        if (length <= 255) {
            ck_assert_int_eq(config.relationships[0].secret_length, length);
            ck_assert_int_eq(config.relationships[0].secret_short, length < 16);
            ck_assert_str_eq(fo_config_digest_name(&config.relationships[0]), "hmac-sha256");
        }
        fo_config_free(&config);
    }
    ck_assert_int_eq(parse("", true, &config, error), 0);
    ck_assert_str_eq(fo_config_digest_name(&config.relationships[0]), "none");
    fo_config_free(&config);
}
END_TEST

static const struct {
    const char *content;
    size_t length, secret; /* bytes; 0: refused */
    mode_t mode;
    bool exposed;
} files[] = {
    {SECRET, 21, 21, 0600, false},
    {SECRET "\n", 22, 21, 0640, false},
    {SECRET "\r\n", 23, 21, 0400, false},
    {SECRET "\n\n", 23, 22, 0644, true}, /* one end of line is left out */
    {SECRET, 21, 21, 0602, true},
    {"\0\1\2\3\n", 5, 4, 0600, false}, /* any bytes */
    {"", 0, 0, 0600, false},
    {"\n", 1, 0, 0600, false},
    {"\r\n", 2, 0, 0600, false},
};

START_TEST(a_file_holds_it_on_one_line)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    write_file(files[_i].content, files[_i].length, files[_i].mode);
    int result = parse("\"secret-file\": \"FILE\", \"digest\": \"hmac-md5\"", true, &config, error);
    if (files[_i].secret == 0) {
        ck_assert_int_eq(result, -1);
        ck_assert_ptr_nonnull(strstr(error, "must hold 1 to 255 bytes, at best 16 or more, on one line"));
        return;
    }
    ck_assert_msg(result == 0, "%s", error);
    ck_assert_uint_eq(config.relationships[0].secret_length, files[_i].secret);
    ck_assert_mem_eq(config.relationships[0].secret, files[_i].content, files[_i].secret);
    ck_assert_int_eq(config.relationships[0].secret_exposed, files[_i].exposed);
    ck_assert_str_eq(fo_config_digest_name(&config.relationships[0]), "hmac-md5");
    fo_config_free(&config);
}
END_TEST

START_TEST(a_file_that_is_too_long_is_refused)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX], bytes[300];
    memset(bytes, 'x', sizeof bytes);
    for (size_t length = 254; length < sizeof bytes; length++) {
        write_file(bytes, length, 0600);
        ck_assert_int_eq(parse("\"secret-file\": \"FILE\"", true, &config, error),
                         length <= 255 ? 0 : -1);
        fo_config_free(&config);
    }
}
END_TEST

/* ------------------------------------------------------------------ at the door */

static struct fo_service *service;
static fo_connection next_id, last_closed;
static uint8_t last_frame[FO_MESSAGE_MAX];
static size_t last_length;

static void hear(fo_connection connection, const uint8_t *data, size_t length)
{
    (void)connection;
    memcpy(last_frame, data, length);
    last_length = length;
}

static void note_closed(fo_connection connection)
{
    last_closed = connection;
}

static void load(bool primary, const char *more)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX] = "";
    struct fo_topology topology = {.persistent = true};
    ck_assert_msg(parse(more, primary, &config, error) == 0, "%s", error);
    ck_assert_msg(fo_service_configure(service, &config, &topology, error) == 0, "%s", error);
    fo_config_free(&config);
    still_settle(service);
}

static void begin(bool primary)
{
    char error[FO_CONFIG_ERROR_MAX];
    still_reset();
    still.hears = hear;
    still.closed = note_closed;
    next_id = 1000;
    service = fo_service_new(&still_env, error);
    ck_assert_ptr_nonnull(service);
    load(primary, "\"secret\": \"" SECRET "\"");
}

static void end(void)
{
    fo_service_free(service);
    ck_assert_int_eq(still.blocks, 0);
}

/* What a primary of our kind, or of another, says first. */
struct recording {
    uint8_t frame[FO_MESSAGE_MAX];
    size_t length;
};

static bool record(void *context, const uint8_t *frame, size_t length)
{
    struct recording *recording = context;
    memcpy(recording->frame, frame, length);
    recording->length = length;
    return true;
}

static struct recording connect_of(const char *secret, const char *vendor, int64_t seconds,
                                   uint32_t connections)
{
    static struct fo_session session;
    struct recording recording = {.length = 0};
    struct fo_config_relationship config = {.digest = FO_DIGEST_HMAC_SHA256};
    struct fo_digest digest = {0};
    const struct fo_session_host host = {.context = &recording, .send = record};
    struct fo_session_settings settings = {
        .dialect = &fo_dialect_draft, .relationship_name = "a-b", .vendor_class = vendor,
        .primary = true, .mclt = 60, .max_unacked = 10, .receive_timer = 60,
        .own_connections = connections};
    const struct fo_now now = {.ms = still.ms,
                               .seconds = (uint32_t)(STILL_SECONDS + still.ms / 1000 + seconds)};
    if (secret != NULL) {
        config.secret_length = (uint16_t)strlen(secret);
        memcpy(config.secret, secret, strlen(secret));
        ck_assert(fo_secret_open(&config, &digest));
        settings.digest = &digest;
    }
    memset(&session, 0, sizeof session);
    fo_session_connect(&session, &settings, &host, &now);
    fo_secret_close(&digest);
    return recording;
}

/* Its reject reason in CONNECTACK; FO_REJECT_NONE: accepted. */
static enum fo_reject_reason answer_to(const struct recording *recording)
{
    static struct fo_message message;
    struct fo_decode_error error;
    last_length = 0;
    fo_net_accepted(service, ++next_id, SELF, 647, PARTNER);
    fo_net_received(service, next_id, recording->frame, recording->length);
    ck_assert_uint_gt(last_length, 0);
    /* It may have said more since: CONNECTACK is what counts. */
    ck_assert(fo_decode(&fo_dialect_draft, last_frame, last_length, &message, &error));
    ck_assert_int_eq(message.type, FO_MSG_CONNECTACK);
    ck_assert(message.present & FO_HAS(FO_OPT_MESSAGE_DIGEST)); /* refusals are signed, too */
    enum fo_reject_reason reason = FO_REJECT_NONE;
    if (message.present & FO_HAS(FO_OPT_REJECT_REASON))
        reason = (enum fo_reject_reason)message.reject_reason;
    ck_assert_int_eq(reason != FO_REJECT_NONE, last_closed == next_id);
    return reason;
}

static fo_connection connection(void)
{
    return service->relationships[0]->connection;
}

START_TEST(who_has_not_the_secret_touches_no_connection)
{
    begin(false);
    struct recording good = connect_of(SECRET, "kea-failover 1", 0, 0);
    ck_assert_int_eq(answer_to(&good), FO_REJECT_NONE);
    const fo_connection ours = connection();
    ck_assert_uint_eq(ours, next_id);
    still_later(service, 5000);
    struct recording unsigned_one = connect_of(NULL, "kea-failover 1", 0, 1);
    struct recording guessed = connect_of("guessed", "kea-failover 1", 0, 1);
    ck_assert_int_eq(answer_to(&unsigned_one), FO_REJECT_MISSING_DIGEST);
    ck_assert_int_eq(answer_to(&guessed), FO_REJECT_DIGEST_FAILED);
    ck_assert_int_eq(answer_to(&good), FO_REJECT_TIME_MISMATCH); /* repeated */
    for (size_t at = 0; at < good.length; at++) { /* and no byte of it may be another */
        struct recording spoilt = good;
        spoilt.frame[at] ^= 0x40;
        fo_net_accepted(service, ++next_id, SELF, 647, PARTNER);
        fo_net_received(service, next_id, spoilt.frame, spoilt.length);
        fo_net_closed(service, next_id, "the test");
        ck_assert_uint_eq(connection(), ours);
    }
    ck_assert_uint_eq(connection(), ours);
    ck_assert_uint_eq(still.said[FAILOVER_NOT_AUTHENTIC], 1); /* once a minute */
    still_later(service, 50000);
    struct recording later = connect_of(SECRET, "kea-failover 1", 0, 1);
    ck_assert_int_eq(answer_to(&later), FO_REJECT_NONE); /* the partner itself */
    ck_assert_uint_eq(connection(), next_id);
    end();
}
END_TEST

/* 11.1: "containing that time or containing a time before that time, it MUST be rejected". */
START_TEST(a_recorded_connect_is_refused)
{
    begin(false);
    struct recording first = connect_of(SECRET, "kea-failover 1", 0, 4);
    struct recording second = connect_of(SECRET, "kea-failover 1", 10, 5);
    ck_assert_int_eq(answer_to(&first), FO_REJECT_NONE);
    still_later(service, 10000);
    ck_assert_int_eq(answer_to(&second), FO_REJECT_NONE);
    ck_assert_int_eq(answer_to(&first), FO_REJECT_TIME_MISMATCH);
    ck_assert_int_eq(answer_to(&second), FO_REJECT_TIME_MISMATCH);
    ck_assert_uint_eq(still.said[FAILOVER_CONNECT_REPEATED], 1);
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_CONNECT_REPEATED], "10 s older than the last"));
    /* The clock set back, but a connection more; and all that a lost count needs is a later time. */
    struct recording set_back = connect_of(SECRET, "kea-failover 1", -30, 6);
    ck_assert_int_eq(answer_to(&set_back), FO_REJECT_NONE);
    ck_assert_int_eq(answer_to(&set_back), FO_REJECT_TIME_MISMATCH);
    struct recording forgetful = connect_of(SECRET, "kea-failover 1", 1, 0);
    ck_assert_int_eq(answer_to(&forgetful), FO_REJECT_NONE);
    ck_assert_int_eq(answer_to(&second), FO_REJECT_TIME_MISMATCH);
    /* Another vendor's count is not known. */
    struct recording other = connect_of(SECRET, "other 1", 0, 99);
    ck_assert_int_eq(answer_to(&other), FO_REJECT_TIME_MISMATCH);
    end();
}
END_TEST

/* A CONNECT from a wrong clock, refused for that, must not shut out those that come when it is right. */
START_TEST(a_refused_connect_leaves_no_trace)
{
    begin(false);
    struct recording ahead = connect_of(SECRET, "kea-failover 1", 86400, 0);
    struct recording right = connect_of(SECRET, "kea-failover 1", 0, 0);
    ck_assert_int_eq(answer_to(&ahead), FO_REJECT_TIME_MISMATCH);
    ck_assert_uint_eq(still.said[FAILOVER_CONNECT_REFUSED], 1); /* by max-clock-skew */
    ck_assert_int_eq(answer_to(&right), FO_REJECT_NONE);
    end();
}
END_TEST

/* Another secret at run time: the connection is made anew, and what was recorded is worth nothing. */
START_TEST(a_new_secret_takes_effect_at_once)
{
    begin(false);
    struct recording good = connect_of(SECRET, "kea-failover 1", 0, 0);
    ck_assert_int_eq(answer_to(&good), FO_REJECT_NONE);
    load(false, "\"secret\": \"" SECRET "\"");
    ck_assert_uint_ne(connection(), 0);
    load(false, "\"secret\": \"another secret of both\"");
    ck_assert_uint_eq(connection(), 0);
    ck_assert_uint_eq(still.said[FAILOVER_CONFIG_CHANGED], 1);
    still_later(service, 1000);
    ck_assert_int_eq(answer_to(&good), FO_REJECT_DIGEST_FAILED);
    struct recording other = connect_of("another secret of both", "kea-failover 1", -5, 0);
    ck_assert_int_eq(answer_to(&other), FO_REJECT_NONE);
    end();
}
END_TEST

/* To a primary nobody connects, but the door is the same; and two that refuse each other do not call
   each other without end. */
START_TEST(two_primaries_with_different_secrets_keep_quiet)
{
    begin(true);
    struct recording rival = connect_of("another secret of both", "kea-failover 1", 0, 0);
    still_later(service, 16000); /* its own attempt is over */
    ck_assert_int_eq(answer_to(&rival), FO_REJECT_DIGEST_FAILED);
    const fo_connection attempts = still.connections;
    for (int i = 0; i < 20; i++) {
        answer_to(&rival);
        still_later(service, 100);
    }
    ck_assert_uint_le(still.connections, attempts + 1);
    end();
}
END_TEST

START_TEST(a_weak_secret_is_warned_of)
{
    begin(false);
    ck_assert_uint_eq(still.said[FAILOVER_CONFIG_WARNING], 0);
    load(false, "\"secret\": \"short\"");
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_CONFIG_WARNING], "less than 16 bytes"));
    write_file(SECRET, strlen(SECRET), 0644);
    load(false, "\"secret-file\": \"FILE\"");
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_CONFIG_WARNING], "any user of this host"));
    for (int id = 0; id < FAILOVER_MESSAGE_COUNT; id++) {
        ck_assert_ptr_null(strstr(still.words[id], "horse"));
        ck_assert_ptr_null(strstr(still.words[id], "\"short\""));
    }
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    TCase *parameters = tcase_create("parameters"), *door = tcase_create("door");
    tcase_add_checked_fixture(parameters, make_directory, remove_directory);
    tcase_add_loop_test(parameters, wrong_values_are_refused_and_not_shown, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(parameters, a_secret_is_1_to_255_bytes);
    tcase_add_loop_test(parameters, a_file_holds_it_on_one_line, 0,
                        (int)(sizeof files / sizeof files[0]));
    tcase_add_test(parameters, a_file_that_is_too_long_is_refused);
    tcase_add_test(parameters, a_weak_secret_is_warned_of);
    tcase_add_test(door, who_has_not_the_secret_touches_no_connection);
    tcase_add_test(door, a_recorded_connect_is_refused);
    tcase_add_test(door, a_refused_connect_leaves_no_trace);
    tcase_add_test(door, a_new_secret_takes_effect_at_once);
    tcase_add_test(door, two_primaries_with_different_secrets_keep_quiet);
    suite_add_tcase(suite, parameters);
    suite_add_tcase(suite, door);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
