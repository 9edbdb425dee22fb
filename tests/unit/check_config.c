/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The parameters: each key's default and bounds, and each way to get one wrong with the exact text
 * that the operator reads. A case changes one key of a good configuration.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/config.h"

#define EAST "relationship 'a-b': "

static const char good[] =
    "{\"high-availability\": [{\"this-server-name\": \"a\", \"mode\": \"load-balancing\","
    " \"peers\": ["
    "{\"name\": \"a\", \"url\": \"tcp://192.0.2.1\", \"role\": \"primary\"},"
    "{\"name\": \"b\", \"url\": \"tcp://192.0.2.2:1647\", \"role\": \"secondary\"}]}]}";

enum map { PARAMETERS, RELATIONSHIP, PEER_A, PEER_B };

static json_t *map_of(json_t *root, enum map map)
{
    json_t *relationship = json_array_get(json_object_get(root, "high-availability"), 0);
    json_t *peers = json_object_get(relationship, "peers");
    switch (map) {
    case PARAMETERS:
        return root;
    case RELATIONSHIP:
        return relationship;
    case PEER_A:
        return json_array_get(peers, 0);
    case PEER_B:
        return json_array_get(peers, 1);
    }
    return NULL;
}

/* Parses the good configuration with one key set to a JSON value (NULL: without the key). */
static int parse_with(enum map map, const char *key, const char *value, struct fo_config *config,
                      char *error)
{
    json_t *root = json_loads(good, 0, NULL);
    ck_assert_ptr_nonnull(root);
    json_t *target = map_of(root, map);
    if (value == NULL) {
        json_object_del(target, key);
    } else {
        json_t *parsed = json_loads(value, JSON_DECODE_ANY, NULL);
        ck_assert_msg(parsed != NULL, "test: %s", value);
        json_object_set_new(target, key, parsed);
    }
    char *text = json_dumps(root, 0);
    int result = fo_config_parse(text, config, error);
    free(text);
    json_decref(root);
    return result;
}

START_TEST(defaults)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_msg(fo_config_parse(good, &config, error) == 0, "%s", error);
    ck_assert_uint_eq(config.count, 1);
    ck_assert_str_eq(config.state_file, "");
    const struct fo_config_relationship *one = &config.relationships[0];
    ck_assert_str_eq(one->name, "a-b");
    ck_assert(one->primary && one->self.primary && !one->partner.primary);
    ck_assert_str_eq(one->self.name, "a");
    ck_assert_str_eq(one->self.url, "tcp://192.0.2.1");
    ck_assert_uint_eq(one->self.address, 0xc0000201);
    ck_assert_uint_eq(one->self.port, 647);
    ck_assert_str_eq(one->partner.name, "b");
    ck_assert_uint_eq(one->partner.address, 0xc0000202);
    ck_assert_uint_eq(one->partner.port, 1647);
    ck_assert_uint_eq(one->subnet_count, 0);
    ck_assert_uint_eq(one->mclt, 3600);
    ck_assert_uint_eq(one->primary_percent, 50);
    ck_assert_uint_eq(one->max_seconds, 3);
    ck_assert(!one->hot_standby && !one->active);
    ck_assert_uint_eq(one->reserve_percent, 5);
    ck_assert_uint_eq(one->contact_interval, 0);
    ck_assert_uint_eq(one->max_response_delay, 60);
    ck_assert_uint_eq(one->startup_delay, 15);
    ck_assert_uint_eq(one->connect_retry_delay, 5);
    ck_assert_uint_eq(one->max_unacked, 600);
    ck_assert_uint_eq(one->offer_hold, 30);
    ck_assert_uint_eq(one->max_clock_skew, 60);
    fo_config_free(&config);
}
END_TEST

#define AT(member) offsetof(struct fo_config_relationship, member)

static const struct {
    const char *key;
    size_t offset;
    long long least, most;
    const char *right; /* of the error */
} numbers[] = {
    {"max-client-lead-time", AT(mclt), 10, 2592000,
     "from 10 to 2592000 seconds (with less, clients do nothing but renew; with more than 30 days, "
     "a lost server's addresses stay unused too long)"},
    {"load-balance-percent", AT(primary_percent), 0, 100,
     "from 0 to 100 (the primary's share of the clients in percent)"},
    {"load-balance-max-seconds", AT(max_seconds), 0, 65535,
     "from 0 to 65535 seconds (it is compared with the 16 bits of a query's secs field)"},
    {"max-response-delay", AT(max_response_delay), 3, 3600,
     "from 3 to 3600 seconds (seconds here, not milliseconds; with less than 3 every hiccup ends "
     "the connection, with more than an hour a dead partner is not noticed)"},
    {"startup-delay", AT(startup_delay), 0, 3600,
     "from 0 to 3600 seconds (no client is served while it runs, unless the partner is met)"},
    {"connect-retry-delay", AT(connect_retry_delay), 1, 60,
     "from 1 to 60 seconds (it grows to 60 by itself)"},
    {"max-unacked-updates", AT(max_unacked), 1, 600,
     "from 1 to 600 (the draft's section 7.8.1 wants more than 10)"},
    {"offer-hold", AT(offer_hold), 1, 3600,
     "from 1 to 3600 seconds (a client answers an offer within seconds; each held address is kept "
     "from all others)"},
    {"max-clock-skew", AT(max_clock_skew), 0, 86400,
     "from 0 to 86400 seconds (0 never refuses a partner for its clock; a day is no skew any more "
     "but a wrong date)"},
    {"auto-partner-down", AT(auto_partner_down), 0, 2592000,
     "from 0 to 2592000 seconds (0 leaves it to an operator; else an hour or two: a partner that is "
     "only cut off from this server goes on leasing addresses)"},
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

START_TEST(bounds_are_accepted)
{
    for (int end = 0; end < 2; end++) {
        struct fo_config config;
        char value[32], error[FO_CONFIG_ERROR_MAX];
        long long number = end == 0 ? numbers[_i].least : numbers[_i].most;
        snprintf(value, sizeof value, "%lld", number);
        ck_assert_msg(parse_with(RELATIONSHIP, numbers[_i].key, value, &config, error) == 0, "%s",
                      error);
        uint32_t got;
        memcpy(&got, (const char *)&config.relationships[0] + numbers[_i].offset, sizeof got);
        ck_assert_int_eq(got, number);
        fo_config_free(&config);
    }
}
END_TEST

START_TEST(beyond_bounds_and_other_types_are_refused)
{
    char below[32], above[32];
    snprintf(below, sizeof below, "%lld", numbers[_i].least - 1);
    snprintf(above, sizeof above, "%lld", numbers[_i].most + 1);
    const char *const values[] = {below,        above, "-1", "4294967296", "9223372036854775807",
                                  "20.0", "1e1", "\"20\"", "true", "null", "[20]", "{\"a\":1}"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct fo_config config;
        char error[FO_CONFIG_ERROR_MAX], expected[FO_CONFIG_ERROR_MAX];
        snprintf(expected, sizeof expected, EAST "%s: %s is not allowed: must be a whole number %s",
                 numbers[_i].key, strcmp(values[i], "1e1") == 0 ? "10.0" : values[i],
                 numbers[_i].right);
        ck_assert_int_eq(parse_with(RELATIONSHIP, numbers[_i].key, values[i], &config, error), -1);
        ck_assert_str_eq(error, expected);
        ck_assert_uint_eq(config.count, 0);
        ck_assert_ptr_null(config.relationships);
    }
}
END_TEST

#define NAME_RIGHT "must be a string of 1 to 255 bytes without control characters"
#define URL_RIGHT "must be tcp://address[:port], port 647 unless given"
#define HOST_RIGHT "must be tcp://address[:port] with an IPv4 address; names are not looked up"
#define PORT_RIGHT "must have a port from 1 to 65535, or none for 647"
#define ONE_HOST "must have the address of one host, from which it also connects"
#define V4_ONLY \
    "failover is for DHCPv4 only, over IPv4; must be tcp://address[:port] with an IPv4 address"
#define SUBNETS_RIGHT \
    "must be a list of at least one subnet id (a whole number from 1 to 4294967294); leave it " \
    "out to mean all subnets"
#define FILE_RIGHT "must be the absolute path of a file, of at most 4095 bytes"
#define PEERS_RIGHT "must be a list of exactly two maps, each with name, url and role"
#define MODE_RIGHT "must be load-balancing or hot-standby"
#define HA "it belongs to libdhcp_ha; "
#define NO_HTTP HA "there is no HTTP between failover partners, leave it out"
#define NUMBER "relationship 1: "

static const struct {
    enum map map;
    const char *key, *value, *error;
} refused[] = {
    {PARAMETERS, "high-availability", NULL,
     "parameters: high-availability is missing: must be a list of 1 to 31 maps, one for each "
     "relationship"},
    {PARAMETERS, "high-availability", "{}",
     "parameters: high-availability: {} is not allowed: must be a list of 1 to 31 maps, one for "
     "each relationship"},
    {PARAMETERS, "high-availability", "[]",
     "parameters: high-availability: [] is not allowed: must be a list of 1 to 31 maps, one for "
     "each relationship"},
    {PARAMETERS, "high-availability", "[7]",
     NUMBER "high-availability: 7 is not allowed: each element must be a map"},
    {PARAMETERS, "colour", "\"red\"",
     "parameters: colour: \"...\" is not allowed: unknown key; the keys here are: "
     "high-availability, state-file, user-context, comment"},
    {PARAMETERS, "user-context", "[]", "parameters: user-context: [] is not allowed: must be a "
    "map"},
    {PARAMETERS, "comment", "1", "parameters: comment: 1 is not allowed: must be a string"},
    {PARAMETERS, "state-file", "\"state\"",
     "parameters: state-file: \"state\" is not allowed: " FILE_RIGHT},
    {PARAMETERS, "state-file", "7", "parameters: state-file: 7 is not allowed: " FILE_RIGHT},
    {RELATIONSHIP, "state-file", "\"/var/lib/\"",
     EAST "state-file: \"/var/lib/\" is not allowed: " FILE_RIGHT},
    {RELATIONSHIP, "state-file", "\"\"", EAST "state-file: \"\" is not allowed: " FILE_RIGHT},
    {RELATIONSHIP, "user-context", "1",
     NUMBER "user-context: 1 is not allowed: must be a map"},
    {RELATIONSHIP, "max-clients", "3",
     NUMBER "max-clients: 3 is not allowed: unknown key; the keys here are: this-server-name, "
     "mode, "
     "relationship-name, peers, subnets, max-client-lead-time, load-balance-percent, "
     "load-balance-max-seconds, active, reserve-percent, contact-interval, max-response-delay, "
     "startup-delay, connect-retry-delay, max-unacked-updates, offer-hold, max-clock-skew, state-file, "
     "secret, secret-file, digest, auto-partner-down, partner-down-lease-time, "
     "startup-without-partner, hash-input, normal-renewals, lease-growth, interrupted-lease-time, "
     "interrupted-use-partner-addresses, user-context, comment"},
    {RELATIONSHIP, "hash-input", "\"duid\"",
     EAST "hash-input: \"duid\" is not allowed: must be \"client-identifier\" (the hardware address "
     "where there is none) or \"hw-address\", the same on both servers"},
    {RELATIONSHIP, "normal-renewals", "true",
     EAST "normal-renewals: true is not allowed: must be \"any\" (a server that is asked answers) or "
     "\"owner-only\""},
    {RELATIONSHIP, "lease-growth", "2",
     EAST "lease-growth: 2 is not allowed: must be \"full\" (from the first renewal on) or "
     "\"gradual\" (an MCLT longer each time)"},
    {RELATIONSHIP, "interrupted-lease-time", "\"full\"",
     EAST "interrupted-lease-time: \"full\" is not allowed: must be \"mclt\" or \"protocol\" (the "
     "longest that is safe)"},
    {RELATIONSHIP, "interrupted-use-partner-addresses", "\"true\"",
     EAST "interrupted-use-partner-addresses: \"true\" is not allowed: must be true or false"},
    {RELATIONSHIP, "partner-down-lease-time", "\"short\"",
     EAST "partner-down-lease-time: \"short\" is not allowed: must be \"full\" (the configured "
     "lease time) or \"mclt\""},
    {RELATIONSHIP, "startup-without-partner", "true",
     EAST "startup-without-partner: true is not allowed: must be \"auto\", \"known\", \"all\" or "
     "\"none\": whom this server serves when it was away for longer than the MCLT and finds no partner"},
    {RELATIONSHIP, "heartbeat-delay", "10000",
     NUMBER "heartbeat-delay: 10000 is not allowed: " HA "use contact-interval, in seconds"},
    {RELATIONSHIP, "max-ack-delay", "5000",
     NUMBER "max-ack-delay: 5000 is not allowed: " HA "use load-balance-max-seconds, in seconds"},
    {RELATIONSHIP, "max-unacked-clients", "5",
     NUMBER "max-unacked-clients: 5 is not allowed: " HA "failover does not count clients to "
     "declare "
     "a partner down, leave it out"},
    {RELATIONSHIP, "send-lease-updates", "true",
     NUMBER "send-lease-updates: true is not allowed: " HA "failover always sends lease updates, "
     "leave it out"},
    {RELATIONSHIP, "multi-threading", "{\"enable-multi-threading\":true,\"http-client-threads\":4}",
     NUMBER "multi-threading: {\"enable-multi-threading\":true,\"http-client-threads\":4} is not "
     "allowed: " NO_HTTP},
    {RELATIONSHIP, "state-machine", "{}",
     NUMBER "state-machine: {} is not allowed: " HA "failover's states do not pause, leave it out"},
    {RELATIONSHIP, "trust-anchor", "\"x\"",
     NUMBER "trust-anchor: \"...\" is not allowed: " NO_HTTP},
    {RELATIONSHIP, "mclt", "60", NUMBER "mclt: 60 is not allowed: use max-client-lead-time"},
    {RELATIONSHIP, "subnets6", "[1]",
     NUMBER "subnets6: [1] is not allowed: failover is for DHCPv4 only"},
    {RELATIONSHIP, "mode", NULL, NUMBER "mode is missing: " MODE_RIGHT},
    {RELATIONSHIP, "mode", "1", NUMBER "mode: 1 is not allowed: " MODE_RIGHT},
    {RELATIONSHIP, "mode", "\"loadbalancing\"",
     NUMBER "mode: \"loadbalancing\" is not allowed: " MODE_RIGHT},
    {RELATIONSHIP, "mode", "\"passive-backup\"",
     NUMBER "mode: \"passive-backup\" is not allowed: " HA MODE_RIGHT},
    {RELATIONSHIP, "active", "\"a\"",
     EAST "active: \"a\" is not allowed: in mode load-balancing both servers serve clients; leave it "
     "out, or use load-balance-percent"},
    {RELATIONSHIP, "reserve-percent", "5",
     EAST "reserve-percent: 5 is not allowed: in mode load-balancing free addresses are divided as "
     "the clients are; leave it out"},
    {RELATIONSHIP, "peers", NULL, NUMBER "peers is missing: " PEERS_RIGHT},
    {RELATIONSHIP, "peers", "{}", NUMBER "peers: {} is not allowed: " PEERS_RIGHT},
    {RELATIONSHIP, "peers", "[{}]", NUMBER "peers: [{}] is not allowed: " PEERS_RIGHT},
    {RELATIONSHIP, "peers", "[{},{},{}]", NUMBER "peers: [{},{},{}] is not allowed: " PEERS_RIGHT},
    {RELATIONSHIP, "peers", "[1,2]",
     NUMBER "peers[0]: 1 is not allowed: must be a map with name, url and role"},
    {RELATIONSHIP, "this-server-name", NULL,
     NUMBER "this-server-name is missing: must be the name of one of the two peers: \"a\" or "
     "\"b\""},
    {RELATIONSHIP, "this-server-name", "\"c\"",
     NUMBER "this-server-name: \"c\" is not allowed: must be the name of one of the two peers: "
     "\"a\" or \"b\""},
    {RELATIONSHIP, "this-server-name", "1",
     NUMBER "this-server-name: 1 is not allowed: must be the name of one of the two peers: "
     "\"a\" or "
     "\"b\""},
    {RELATIONSHIP, "relationship-name", "1",
     NUMBER "relationship-name: 1 is not allowed: " NAME_RIGHT},
    {RELATIONSHIP, "relationship-name", "\"\"",
     "relationship '': relationship-name: \"\" is not allowed: " NAME_RIGHT},
    {RELATIONSHIP, "relationship-name", "\"x\\ny\"",
     "relationship 'x\ny': relationship-name: \"x\\ny\" is not allowed: " NAME_RIGHT},
    {RELATIONSHIP, "subnets", "7", EAST "subnets: 7 is not allowed: " SUBNETS_RIGHT},
    {RELATIONSHIP, "subnets", "[]", EAST "subnets: [] is not allowed: " SUBNETS_RIGHT},
    {RELATIONSHIP, "subnets", "[0]", EAST "subnets: 0 is not allowed: " SUBNETS_RIGHT},
    {RELATIONSHIP, "subnets", "[-1]", EAST "subnets: -1 is not allowed: " SUBNETS_RIGHT},
    {RELATIONSHIP, "subnets", "[4294967295]",
     EAST "subnets: 4294967295 is not allowed: " SUBNETS_RIGHT},
    {RELATIONSHIP, "subnets", "[1,\"2\"]", EAST "subnets: \"2\" is not allowed: " SUBNETS_RIGHT},
    {RELATIONSHIP, "subnets", "[3,1,3]",
     EAST "subnets: 3 is not allowed: it is there twice; must be there once"},
    {RELATIONSHIP, "contact-interval", "0",
     EAST "contact-interval: 0 is not allowed: must be a whole number from 1 to 1200 seconds (at "
     "most a third of the partner's max-response-delay is used)"},
    {RELATIONSHIP, "contact-interval", "60",
     EAST "contact-interval: 60 is not allowed: must be shorter than max-response-delay, at best a "
     "third of it, or the partner takes this server for dead between two messages"},
    {PEER_A, "name", NULL, NUMBER "peers[0].name is missing: " NAME_RIGHT},
    {PEER_A, "name", "\"b\"",
     NUMBER "peers[1].name: \"b\" is not allowed: the two peers must have different names"},
    {PEER_B, "auto-failover", "true",
     NUMBER "peers[1].auto-failover: true is not allowed: " HA "both partners always take over, "
     "leave it out"},
    {PEER_B, "basic-auth-user", "\"x\"",
     NUMBER "peers[1].basic-auth-user: \"...\" is not allowed: " NO_HTTP},
    {PEER_B, "colour", "\"red\"",
     NUMBER "peers[1].colour: \"...\" is not allowed: unknown key; the keys here are: name, url, "
     "role, user-context, comment"},
    {PEER_B, "role", NULL, NUMBER "peers[1].role is missing: must be primary or secondary"},
    {PEER_B, "role", "1", NUMBER "peers[1].role: 1 is not allowed: must be primary or secondary"},
    {PEER_B, "role", "\"primary\"",
     NUMBER "peers[1].role: \"primary\" is not allowed: one peer must be the primary, the other "
     "the secondary"},
    {PEER_B, "role", "\"standby\"",
     NUMBER "peers[1].role: \"standby\" is not allowed: roles are primary and secondary; the other "
     "server of a pair is the secondary, and only in mode hot-standby it may be called standby"},
    {PEER_B, "role", "\"backup\"",
     NUMBER "peers[1].role: \"backup\" is not allowed: roles are primary and secondary; "
     "failover has "
     "two servers and no backup servers"},
    {PEER_A, "url", NULL, NUMBER "peers[0].url is missing: must be a string, tcp://address[:port]"},
    {PEER_A, "url", "647",
     NUMBER "peers[0].url: 647 is not allowed: must be a string, tcp://address[:port]"},
    {PEER_A, "url", "\"http://192.0.2.1:8000/\"",
     NUMBER "peers[0].url: \"http://192.0.2.1:8000/\" is not allowed: HTTP is libdhcp_ha's way; "
     URL_RIGHT},
    {PEER_A, "url", "\"192.0.2.1\"",
     NUMBER "peers[0].url: \"192.0.2.1\" is not allowed: " URL_RIGHT},
    {PEER_A, "url", "\"tcp://[2001:db8::1]:647\"",
     NUMBER "peers[0].url: \"tcp://[2001:db8::1]:647\" is not allowed: " V4_ONLY},
    {PEER_A, "url", "\"tcp://2001:db8::1\"",
     NUMBER "peers[0].url: \"tcp://2001:db8::1\" is not allowed: " V4_ONLY},
    {PEER_A, "url", "\"tcp://\"", NUMBER "peers[0].url: \"tcp://\" is not allowed: " HOST_RIGHT},
    {PEER_A, "url", "\"tcp://a.example\"",
     NUMBER "peers[0].url: \"tcp://a.example\" is not allowed: " HOST_RIGHT},
    {PEER_A, "url", "\"tcp://dhcp1.a-long-name.example.org\"",
     NUMBER "peers[0].url: \"tcp://dhcp1.a-long-name.example.org\" is not allowed: " HOST_RIGHT},
    {PEER_A, "url", "\"tcp://192.0.2.1/24\"",
     NUMBER "peers[0].url: \"tcp://192.0.2.1/24\" is not allowed: " HOST_RIGHT},
    {PEER_A, "url", "\"tcp://192.0.2.1:\"",
     NUMBER "peers[0].url: \"tcp://192.0.2.1:\" is not allowed: " PORT_RIGHT},
    {PEER_A, "url", "\"tcp://192.0.2.1:0\"",
     NUMBER "peers[0].url: \"tcp://192.0.2.1:0\" is not allowed: " PORT_RIGHT},
    {PEER_A, "url", "\"tcp://192.0.2.1:65536\"",
     NUMBER "peers[0].url: \"tcp://192.0.2.1:65536\" is not allowed: " PORT_RIGHT},
    {PEER_A, "url", "\"tcp://192.0.2.1:000647\"",
     NUMBER "peers[0].url: \"tcp://192.0.2.1:000647\" is not allowed: " PORT_RIGHT},
    {PEER_A, "url", "\"tcp://192.0.2.1:x47\"",
     NUMBER "peers[0].url: \"tcp://192.0.2.1:x47\" is not allowed: " PORT_RIGHT},
    {PEER_A, "url", "\"tcp://192.0.2.1:-647\"",
     NUMBER "peers[0].url: \"tcp://192.0.2.1:-647\" is not allowed: " PORT_RIGHT},
    {PEER_A, "url", "\"tcp://0.0.0.0\"",
     NUMBER "peers[0].url: \"tcp://0.0.0.0\" is not allowed: " ONE_HOST},
    {PEER_A, "url", "\"tcp://224.0.0.1\"",
     NUMBER "peers[0].url: \"tcp://224.0.0.1\" is not allowed: " ONE_HOST},
    {PEER_B, "url", "\"tcp://192.0.2.1:647\"",
     NUMBER "peers[1].url: \"tcp://192.0.2.1:647\" is not allowed: the two peers must have "
     "different addresses"},
};
enum { REFUSED = sizeof refused / sizeof refused[0] };

START_TEST(wrong_values_are_refused)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_int_eq(
        parse_with(refused[_i].map, refused[_i].key, refused[_i].value, &config, error), -1);
    ck_assert_str_eq(error, refused[_i].error);
    fo_config_free(&config); /* is empty */
}
END_TEST

static const struct {
    enum map map;
    const char *key, *value;
} accepted[] = {
    {PARAMETERS, "user-context", "{\"a\":1}"},
    {PARAMETERS, "comment", "\"hello\""},
    {PARAMETERS, "state-file", "\"/var/lib/kea/kea-leases4.csv.failover\""},
    {RELATIONSHIP, "state-file", "\"/x\""},
    {RELATIONSHIP, "user-context", "{}"},
    {RELATIONSHIP, "comment", "\"\""},
    {RELATIONSHIP, "this-server-name", "\"b\""},
    {RELATIONSHIP, "relationship-name", "\"b\\u00fcro/east\""},
    {RELATIONSHIP, "contact-interval", "59"},
    {RELATIONSHIP, "subnets", "[4294967294,1]"},
    {PEER_A, "url", "\"tcp://192.0.2.1:647/\""},
    {PEER_A, "url", "\"tcp://127.0.0.1:65535\""},
    {PEER_B, "url", "\"tcp://192.0.2.1:648\""},
    {PEER_B, "comment", "\"the other\""},
};
enum { ACCEPTED = sizeof accepted / sizeof accepted[0] };

START_TEST(right_values_are_accepted)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_msg(parse_with(accepted[_i].map, accepted[_i].key, accepted[_i].value, &config,
                             error) == 0, "%s", error);
    ck_assert_uint_eq(config.count, 1);
    fo_config_free(&config);
}
END_TEST

START_TEST(the_secondary_reads_the_same_file)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_int_eq(parse_with(RELATIONSHIP, "this-server-name", "\"b\"", &config, error), 0);
    const struct fo_config_relationship *one = &config.relationships[0];
    ck_assert(!one->primary && !one->self.primary && one->partner.primary);
    ck_assert_str_eq(one->name, "a-b");
    ck_assert_str_eq(one->self.name, "b");
    ck_assert_str_eq(one->partner.name, "a");
    fo_config_free(&config);
}
END_TEST

START_TEST(not_json)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "parameters: line 1: '[' or '{' expected near end of file"},
        {"null", "parameters: must be a map with the key high-availability"},
        {"[]", "parameters: must be a map with the key high-availability"},
        {"{\n\"high-availability\"}", "parameters: line 2: ':' expected near '}'"},
        {"{\"comment\": \"a\", \"comment\": \"a\"}",
         "parameters: line 1: duplicate object key near '\"comment\"'"},
        {"{\"high-availability\": 99999999999999999999}",
         "parameters: line 1: too big integer near '99999999999999999999'"},
    };
    for (size_t i = 1; i < sizeof cases / sizeof cases[0]; i++) {
        struct fo_config config;
        char error[FO_CONFIG_ERROR_MAX];
        ck_assert_int_eq(fo_config_parse(cases[i].text, &config, error), -1);
        ck_assert_str_eq(error, cases[i].error);
    }
    struct fo_config config; /* the library's words for nothing at all are its own */
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_int_eq(fo_config_parse(cases[0].text, &config, error), -1);
    ck_assert_int_eq(fo_config_parse(NULL, &config, error), -1);
}
END_TEST

START_TEST(long_names)
{
    char name[300], value[320], error[FO_CONFIG_ERROR_MAX];
    struct fo_config config;
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    snprintf(value, sizeof value, "\"%s\"", name);
    ck_assert_int_eq(parse_with(RELATIONSHIP, "relationship-name", value, &config, error), 0);
    ck_assert_str_eq(config.relationships[0].name, name);
    fo_config_free(&config);
    /* The default would be one too long. */
    ck_assert_int_eq(parse_with(PEER_B, "name", value, &config, error), -1);
    ck_assert_str_eq(error, NUMBER "relationship-name is missing, and its default, the primary's "
                            "name, a hyphen and the secondary's, is longer than 255 bytes: give a "
                            "shorter name");
    name[255] = 'n';
    name[256] = '\0';
    snprintf(value, sizeof value, "\"%s\"", name);
    ck_assert_int_eq(parse_with(RELATIONSHIP, "relationship-name", value, &config, error), -1);
    name[60] = '\0';
    char expected[FO_CONFIG_ERROR_MAX];
    snprintf(expected, sizeof expected, "relationship '%s': relationship-name: \"%.59s... is not "
                                        "allowed: " NAME_RIGHT, name, name);
    ck_assert_str_eq(error, expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *values = tcase_create("values");
    tcase_add_test(values, defaults);
    tcase_add_loop_test(values, bounds_are_accepted, 0, NUMBERS);
    tcase_add_loop_test(values, beyond_bounds_and_other_types_are_refused, 0, NUMBERS);
    tcase_add_loop_test(values, wrong_values_are_refused, 0, REFUSED);
    tcase_add_loop_test(values, right_values_are_accepted, 0, ACCEPTED);
    tcase_add_test(values, the_secondary_reads_the_same_file);
    tcase_add_test(values, not_json);
    tcase_add_test(values, long_names);
    suite_add_tcase(suite, values);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
