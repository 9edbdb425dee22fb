/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a lease tells beside client and times (12.7 to 12.9): packed and unpacked, said and heard, and
 * what is made of options that no decent server sends.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/details.h"
#include "protocol/dialect.h"
#include "protocol/message.h"

#define MAGIC "\x63\x82\x53\x63"
#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}

static struct fo_details of(const char *name, const char *agent, bool forward, bool reverse)
{
    return (struct fo_details){
        .told = true, .forward = forward, .reverse = reverse,
        .name = (const uint8_t *)name, .name_length = (uint8_t)strlen(name),
        .agent = (const uint8_t *)agent, .agent_length = (uint8_t)strlen(agent)};
}

static void same(const struct fo_details *a, const struct fo_details *b)
{
    ck_assert(a->told == b->told && a->forward == b->forward && a->reverse == b->reverse);
    ck_assert_uint_eq(a->name_length, b->name_length);
    ck_assert_uint_eq(a->agent_length, b->agent_length);
    ck_assert(a->name_length == 0 || memcmp(a->name, b->name, a->name_length) == 0);
    ck_assert(a->agent_length == 0 || memcmp(a->agent, b->agent, a->agent_length) == 0);
}

/* Through a whole frame, as the partner hears it. */
static void carry(const struct fo_details *details, enum fo_binding_status status,
                  struct fo_details *heard, uint8_t space[FO_DETAIL_MAX])
{
    static struct fo_message message, received;
    static uint8_t frame[FO_MESSAGE_MAX];
    static struct fo_details_space said;
    struct fo_decode_error error;
    memset(&message, 0, sizeof message);
    message.type = FO_MSG_BNDUPD;
    message.update_count = 1;
    message.updates[0] = (struct fo_update){
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS),
        .status = (uint8_t)status};
    fo_details_say(details, &message.updates[0], &said);
    const size_t length = fo_encode(&fo_dialect_draft, &message, frame, sizeof frame);
    ck_assert_uint_eq(length, FO_HEADER_SIZE + fo_update_size(&message.updates[0]));
    ck_assert(fo_decode(&fo_dialect_draft, frame, length, &received, &error));
    fo_details_hear(&received.updates[0], heard, space);
}

static const char *const label63 = "a23456789012345678901234567890123456789012345678901234567890123";

START_TEST(packed_and_back)
{
    uint8_t space[FO_DETAILS_PACKED_MAX], long_name[255], long_agent[255];
    struct fo_details back;
    memset(long_name, 'n', sizeof long_name);
    memset(long_agent, 0, sizeof long_agent);
    const struct fo_details all[] = {
        {0}, of("", "", false, false), of("pc", "", false, false), of("", "\x01\x02xy", false, false),
        of("pc.example.org.", "\x02\x01z", true, false), of("pc.", "", false, true),
        {.told = true, .forward = true, .reverse = true, .name = long_name, .name_length = 255,
         .agent = long_agent, .agent_length = 255}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const size_t length = fo_details_pack(&all[i], space);
        ck_assert_uint_le(length, FO_DETAILS_PACKED_MAX);
        ck_assert(fo_details_unpack(space, length, &back));
        same(&all[i], &back);
        if (length == 0)
            continue;
        ck_assert(!fo_details_unpack(space, length - 1, &back));
        ck_assert(!fo_details_unpack(space, length + 1, &back));
        ck_assert(!back.told);
        fo_details_forget_names(space, length);
        ck_assert(fo_details_unpack(space, length, &back));
        ck_assert(!back.forward && !back.reverse && back.name_length == all[i].name_length);
    }
}
END_TEST

START_TEST(said_and_heard)
{
    char long_name[256];
    snprintf(long_name, sizeof long_name, "%s.%s.%s.%.61s.", label63, label63, label63, label63);
    ck_assert_uint_eq(strlen(long_name), 254);
    const struct fo_details all[] = {
        {0}, of("", "", false, false), of("pc", "", false, false), of("", "\x01\x02xy", false, false),
        of("pc.example.org.", "\x02\x01z", true, true), of("pc.example.org.", "", false, true),
        of("pc.example.org", "", true, true), of(long_name, "", true, false), of("under_score.example.", "", true, true)};
    uint8_t space[FO_DETAIL_MAX];
    struct fo_details heard;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        carry(&all[i], FO_ACTIVE, &heard, space);
        same(&all[i], &heard);
    }
}
END_TEST

/* Table 7.1-1. */
START_TEST(what_belongs_to_which_status)
{
    static const struct {
        enum fo_binding_status status;
        uint32_t options;
    } table[] = {
        {FO_ACTIVE, FO_HAS(FO_OPT_DDNS) | FO_HAS(FO_OPT_CLIENT_REQUEST_OPTIONS) |
                        FO_HAS(FO_OPT_CLIENT_REPLY_OPTIONS)},
        {FO_RELEASED, FO_HAS(FO_OPT_DDNS) | FO_HAS(FO_OPT_CLIENT_REQUEST_OPTIONS)},
        {FO_EXPIRED, FO_HAS(FO_OPT_DDNS)}, {FO_FREE, FO_HAS(FO_OPT_DDNS)},
        {FO_BACKUP, FO_HAS(FO_OPT_DDNS)}, {FO_RESET, FO_HAS(FO_OPT_DDNS)}, {FO_ABANDONED, 0}};
    struct fo_details details = of("pc.example.org.", "\x01\x01x", true, true);
    struct fo_details_space space;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct fo_update update = {.status = (uint8_t)table[i].status};
        fo_details_say(&details, &update, &space);
        ck_assert_uint_eq(update.present, table[i].options);
        ck_assert_uint_eq(update.ddns_flags, table[i].options ? 0x000a : 0); /* A and P */
    }
    /* "(1) MUST if server is performing dynamic DNS for this IP address, else MUST NOT" */
    details.forward = details.reverse = false;
    struct fo_update update = {.status = FO_ACTIVE};
    fo_details_say(&details, &update, &space);
    ck_assert(!(update.present & FO_HAS(FO_OPT_DDNS)));
    ck_assert_uint_eq(update.reply_options.length, 4 + 2 + 15);
    ck_assert_int_eq(memcmp(update.reply_options.data, MAGIC "\x0c\x0fpc.example.org.", 21), 0);
    ck_assert_uint_eq(update.request_options.length, 4 + 2 + 3);
    ck_assert_int_eq(memcmp(update.request_options.data, MAGIC "\x52\x03\x01\x01x", 9), 0);
}
END_TEST

/* No name of DNS: its bits are not told, for nobody could remove it by them. */
START_TEST(names_that_dns_cannot_have)
{
    static const char *const names[] = {"a..b.", ".", "..", ".a", "back\\032slash.", "sp ace."};
    struct fo_details_space space;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct fo_details details = of(names[i], "", true, true);
        struct fo_update update = {.status = FO_ACTIVE};
        fo_details_say(&details, &update, &space);
        ck_assert_msg(!(update.present & FO_HAS(FO_OPT_DDNS)), "%s", names[i]);
    }
    char name[80];
    snprintf(name, sizeof name, "%s4.", label63);
    const struct fo_details details = of(name, "", true, true);
    struct fo_update update = {.status = FO_ACTIVE};
    fo_details_say(&details, &update, &space);
    ck_assert(!(update.present & FO_HAS(FO_OPT_DDNS)));
}
END_TEST

/* What other servers may send, and what nobody should. `name`: heard; `agent`: its length. */
static const struct strange {
    struct fo_bytes request, reply, ddns;
    const char *name;
    uint8_t agent;
    bool in_dns;
} strange[] = {
    /* the order of preference: DDNS, the reply's host name, its FQDN, the request's FQDN, host name */
    {BYTES(MAGIC "\x0c\x03one"), BYTES(MAGIC "\x0c\x03two"), BYTES("\x05three\0"), "three.", 0, true},
    {{0}, BYTES(MAGIC "\x0c\x05three"), BYTES("\x05three\0"), "three", 0, true},
    {{0}, BYTES(MAGIC "\x0c\x06three."), BYTES("\x05three\0"), "three.", 0, true},
    {BYTES(MAGIC "\x0c\x03one"), BYTES(MAGIC "\x0c\x03two"), {0}, "two", 0, false},
    {BYTES(MAGIC "\x0c\x03one\x51\x07\0\0\0four"), {0}, {0}, "four", 0, false},
    {BYTES(MAGIC "\x51\x0c\x04\0\0\x04" "four\x02xy\0"), {0}, {0}, "four.xy.", 0, false},
    {BYTES(MAGIC "\x51\x08\x04\0\0\x04" "four"), {0}, {0}, "four", 0, false}, /* without root: partial */
    {BYTES(MAGIC "\x0c\x03one"), BYTES(MAGIC), {0}, "one", 0, false},
    {BYTES(MAGIC "\x0c\x03one\x0c\x03two"), {0}, {0}, "one", 0, false},
    {BYTES(MAGIC "\0\0\x52\x02\x01\0\0\xff\x0c\x03one"), {0}, {0}, "", 2, false}, /* pad, end */
    /* another magic number, and none */
    {BYTES("\x63\x82\x53\x64\x0c\x03one"), {0}, {0}, "", 0, false},
    {BYTES("\x63\x82"), {0}, {0}, "", 0, false},
    /* lengths that are not true */
    {BYTES(MAGIC "\x0c\x04one"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x0c"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x0c\0"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x52\x02x"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x52\x01x\x0c\xffone"), {0}, {0}, "", 1, false},
    {BYTES(MAGIC "\x51\x03\0\0\0"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x51\x05\x04\0\0\x05" "a"), {0}, {0}, "", 0, false},
    /* bytes that would break a file of leases, or a name in two */
    {BYTES(MAGIC "\x0c\x03o\ne"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x0c\x03o\0e"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x0c\x03o e"), {0}, {0}, "", 0, false},
    {BYTES(MAGIC "\x0c\x03o\xfc" "e"), {0}, {0}, "", 0, false},
    /* names of DNS that are none */
    {{0}, {0}, BYTES("\0"), "", 0, false},
    {{0}, {0}, BYTES("\x03ok"), "", 0, false},
    {{0}, {0}, BYTES("\x02ok\0x"), "", 0, false},
    {{0}, {0}, BYTES("\xc0\x0c"), "", 0, false},
    {{0}, {0}, BYTES("\x40" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"), "", 0,
     false},
    {{0}, {0}, BYTES("\x03o.k\0"), "", 0, false},
    {{0}, {0}, BYTES("\x03o\\k\0"), "", 0, false},
    {{0}, {0}, BYTES("\x03o\nk\0"), "", 0, false},
};

START_TEST(strange_options)
{
    const struct strange *s = &strange[_i];
    uint8_t space[FO_DETAIL_MAX];
    struct fo_details heard;
    struct fo_update update = {.request_options = s->request, .reply_options = s->reply,
                               .ddns_name = s->ddns, .ddns_flags = 0xfffa};
    update.present = (s->request.data ? FO_HAS(FO_OPT_CLIENT_REQUEST_OPTIONS) : 0) |
                     (s->reply.data ? FO_HAS(FO_OPT_CLIENT_REPLY_OPTIONS) : 0) |
                     (s->ddns.data ? FO_HAS(FO_OPT_DDNS) : 0);
    /* Whatever stands behind them is not read. */
    struct fo_bytes *strings[] = {&update.request_options, &update.reply_options, &update.ddns_name};
    uint8_t *copies[3] = {NULL};
    for (size_t i = 0; i < 3; i++)
        if (strings[i]->data != NULL) {
            copies[i] = malloc(strings[i]->length);
            memcpy(copies[i], strings[i]->data, strings[i]->length);
            strings[i]->data = copies[i];
        }
    fo_details_hear(&update, &heard, space);
    ck_assert(heard.told);
    ck_assert_uint_eq(heard.name_length, strlen(s->name));
    ck_assert_int_eq(memcmp(heard.name_length ? heard.name : (const uint8_t *)"", s->name,
                            heard.name_length), 0);
    ck_assert_uint_eq(heard.agent_length, s->agent);
    ck_assert(heard.forward == s->in_dns && heard.reverse == s->in_dns);
    for (size_t i = 0; i < 3; i++)
        free(copies[i]);
}
END_TEST

/* Silence is not the same as nothing. */
START_TEST(silence)
{
    uint8_t space[FO_DETAIL_MAX];
    const struct fo_update update = {.present = FO_HAS(FO_OPT_BINDING_STATUS)};
    struct fo_details heard;
    fo_details_hear(&update, &heard, space);
    ck_assert(!heard.told);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("details");
    TCase *all = tcase_create("details");
    tcase_add_test(all, packed_and_back);
    tcase_add_test(all, said_and_heard);
    tcase_add_test(all, what_belongs_to_which_status);
    tcase_add_test(all, names_that_dns_cannot_have);
    tcase_add_loop_test(all, strange_options, 0, sizeof strange / sizeof strange[0]);
    tcase_add_test(all, silence);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
