/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Reads the hook's parameters. Nothing is guessed and nothing is passed over: an unknown key, a
 * wrong type or a value out of bounds ends the load, with a text that an operator can act upon:
 *
 *     relationship 'east': max-client-lead-time: 5 is not allowed: must be a whole number from 10
 *     to 2592000 seconds (with less, ...)
 *
 * config_table.c has the keys, bounds and defaults; config_value.c reads single values. Here is what a
 * table cannot say: peers, urls, lists, and what must agree with something else.
 */
#include "hook/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/config_mode.h"
#include "hook/config_table.h"
#include "hook/config_value.h"
#include "hook/secret.h"

enum {
    FAILOVER_PORT = 647, /* section 11.1; IANA's dhcp-failover */
};

/* Says what is wrong with a url, or NULL and fills address and port. */
static const char *parse_url(const char *url, struct fo_config_peer *peer)
{
    const char *const prefix = "tcp://";
    if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0)
        return "HTTP is libdhcp_ha's way; must be tcp://address[:port], port 647 unless given";
    if (strncmp(url, prefix, strlen(prefix)) != 0)
        return "must be tcp://address[:port], port 647 unless given";
    const char *host = url + strlen(prefix);
    const char *colon = strchr(host, ':');
    if (host[0] == '[' || (colon != NULL && strchr(colon + 1, ':') != NULL))
        return "failover is for DHCPv4 only, over IPv4; must be tcp://address[:port] with an IPv4 "
               "address";
    size_t length = strlen(host);
    if (length > 0 && host[length - 1] == '/')
        length--; /* as in the urls of other Kea parameters */
    size_t host_length = colon != NULL ? (size_t)(colon - host) : length;
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (host_length >= sizeof text)
        return "must be tcp://address[:port] with an IPv4 address; names are not looked up";
    memcpy(text, host, host_length);
    text[host_length] = '\0';
    if (inet_pton(AF_INET, text, &address) != 1)
        return "must be tcp://address[:port] with an IPv4 address; names are not looked up";
    peer->address = ntohl(address.s_addr);
    if (peer->address >> 24 == 0 || peer->address >> 28 >= 0xe)
        return "must have the address of one host, from which it also connects";

    unsigned port = FAILOVER_PORT;
    if (colon != NULL) {
        const char *digits = colon + 1, *end = host + length;
        port = 0;
        for (const char *p = digits; p < end && *p >= '0' && *p <= '9' && port <= UINT16_MAX; p++)
            port = port * 10 + (unsigned)(*p - '0');
        if (strspn(digits, "0123456789") != (size_t)(end - digits) || digits[0] == '0' ||
            port == 0 || port > UINT16_MAX)
            return "must have a port from 1 to 65535, or none for 647";
    }
    peer->port = (uint16_t)port;
    return NULL;
}

static int read_peer(const struct fo_place *place, size_t index, json_t *map, bool hot_standby,
                     struct fo_config_peer *peer)
{
    char path[4][24];
    const char *const keys[] = {"", ".name", ".url", ".role"};
    for (size_t i = 0; i < 4; i++)
        snprintf(path[i], sizeof path[i], "peers[%zu]%s", index, keys[i]);
    if (!json_is_object(map))
        return fo_config_refuse(place, path[0], map, "must be a map with name, url and role");
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s.", path[0]);
    if (fo_config_check_keys(place, prefix, map, fo_config_peer_keys) != 0)
        return -1;

    if (fo_config_read_name(place, path[1], json_object_get(map, "name"), peer->name) != 0)
        return -1;
    const json_t *url = json_object_get(map, "url");
    if (!json_is_string(url))
        return fo_config_refuse(place, path[2], url, "must be a string, tcp://address[:port]");
    const char *wrong = parse_url(json_string_value(url), peer);
    if (wrong != NULL)
        return fo_config_refuse(place, path[2], url, wrong);
    snprintf(peer->url, sizeof peer->url, "%s", json_string_value(url));

    const json_t *role = json_object_get(map, "role");
    wrong = fo_config_role(role, hot_standby, peer);
    return wrong != NULL ? fo_config_refuse(place, path[3], role, wrong) : 0;
}

/* Reads both peers, and this-server-name, which says who of them is this server. */
static int read_peers(const struct fo_place *place, json_t *map,
                      struct fo_config_relationship *relationship)
{
    json_t *list = json_object_get(map, "peers");
    if (!json_is_array(list) || json_array_size(list) != 2)
        return fo_config_refuse(place, "peers", list,
                                "must be a list of exactly two maps, each with name, url and role");
    struct fo_config_peer peers[2];
    for (size_t i = 0; i < 2; i++)
        if (read_peer(place, i, json_array_get(list, i), relationship->hot_standby, &peers[i]) != 0)
            return -1;
    if (peers[0].primary == peers[1].primary)
        return fo_config_refuse(place, "peers[1].role",
                                json_object_get(json_array_get(list, 1), "role"),
                                "one peer must be the primary, the other the secondary");
    if (strcmp(peers[0].name, peers[1].name) == 0)
        return fo_config_refuse(place, "peers[1].name",
                                json_object_get(json_array_get(list, 1), "name"),
                                "the two peers must have different names");
    if (peers[0].address == peers[1].address && peers[0].port == peers[1].port)
        return fo_config_refuse(place, "peers[1].url",
                                json_object_get(json_array_get(list, 1), "url"),
                                "the two peers must have different addresses");

    const json_t *name = json_object_get(map, "this-server-name");
    const char *self = json_is_string(name) ? json_string_value(name) : "";
    size_t me = strcmp(self, peers[0].name) == 0 ? 0 : 1;
    if (strcmp(self, peers[me].name) != 0) {
        char right[FO_CONFIG_ERROR_MAX];
        snprintf(right, sizeof right,
                 "must be the name of one of the two peers: \"%.*s\" or \"%.*s\"", FO_SHOWN_MAX,
                 peers[0].name, FO_SHOWN_MAX, peers[1].name);
        return fo_config_refuse(place, "this-server-name", name, right);
    }
    relationship->self = peers[me];
    relationship->partner = peers[1 - me];
    relationship->primary = peers[me].primary;
    return 0;
}

static int read_relationship_name(struct fo_place *place, const json_t *map,
                                  struct fo_config_relationship *relationship)
{
    const json_t *value = json_object_get(map, "relationship-name");
    if (value != NULL)
        return fo_config_read_name(place, "relationship-name", value, relationship->name);
    const bool first = relationship->primary;
    const char *primary = first ? relationship->self.name : relationship->partner.name;
    const char *secondary = first ? relationship->partner.name : relationship->self.name;
    if (strlen(primary) + 1 + strlen(secondary) > FO_NAME_MAX)
        return fo_config_fail(
            place, "relationship-name is missing, and its default, the primary's name, a "
                   "hyphen and the secondary's, is longer than 255 bytes: give a shorter "
                   "name");
    char *end = stpcpy(relationship->name, primary);
    *end++ = '-';
    strcpy(end, secondary);
    snprintf(place->label, sizeof place->label, "relationship '%.*s'", FO_SHOWN_MAX,
             relationship->name);
    return 0;
}

static int read_mode(const struct fo_place *place, const json_t *map,
                     struct fo_config_relationship *relationship)
{
    const json_t *value = json_object_get(map, "mode");
    const char *wrong = fo_config_mode(value, relationship);
    return wrong != NULL ? fo_config_refuse(place, "mode", value, wrong) : 0;
}

/* Who serves which clients, as far as the mode lets an operator say it. */
static int read_division(const struct fo_place *place, const json_t *map,
                         struct fo_config_relationship *relationship)
{
    const char *key, *wrong = fo_config_division(map, relationship, &key);
    return wrong != NULL ? fo_config_refuse(place, key, json_object_get(map, key), wrong) : 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int read_subnets(const struct fo_place *place, const json_t *map,
                        struct fo_config_relationship *relationship)
{
    const char *const right = "must be a list of at least one subnet id (a whole number from 1 to "
                              "4294967294); leave it out to mean all subnets";
    const json_t *list = json_object_get(map, "subnets");
    if (list == NULL)
        return 0;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return fo_config_refuse(place, "subnets", list, right);
    size_t count = json_array_size(list);
    relationship->subnets = calloc(count, sizeof relationship->subnets[0]);
    if (relationship->subnets == NULL)
        return fo_config_fail(place, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 1 || value > (json_int_t)UINT32_MAX - 1)
            return fo_config_refuse(place, "subnets", id, right);
        relationship->subnets[i] = (uint32_t)value;
    }
    relationship->subnet_count = count;
    qsort(relationship->subnets, count, sizeof relationship->subnets[0], compare_ids);
    for (size_t i = 1; i < count; i++)
        if (relationship->subnets[i] == relationship->subnets[i - 1])
            return fo_config_fail(
                place, "subnets: %u is not allowed: it is there twice; must be there once",
                relationship->subnets[i]);
    return 0;
}

/* One file for the whole server, wherever it is named. */
static int read_state_file(const struct fo_place *place, const json_t *map,
                           struct fo_config *config)
{
    const json_t *value = json_object_get(map, "state-file");
    if (value == NULL)
        return 0;
    const char *path = json_string_value(value);
    if (path == NULL || path[0] != '/' || path[strlen(path) - 1] == '/' ||
        strlen(path) >= sizeof config->state_file)
        return fo_config_refuse(place, "state-file", value,
                                "must be the absolute path of a file, of at most 4095 bytes");
    if (config->state_file[0] != '\0' && strcmp(config->state_file, path) != 0) {
        char right[FO_CONFIG_ERROR_MAX];
        snprintf(right, sizeof right,
                 "a server has one state file; must be \"%.*s\" as named before, or left out",
                 2 * FO_SHOWN_MAX, config->state_file);
        return fo_config_refuse(place, "state-file", value, right);
    }
    strcpy(config->state_file, path);
    return 0;
}

static int read_relationship(struct fo_place *place, json_t *map, struct fo_config *config,
                             struct fo_config_relationship *relationship)
{
    if (!json_is_object(map))
        return fo_config_refuse(place, "high-availability", map, "each element must be a map");
    const char *name = json_string_value(json_object_get(map, "relationship-name"));
    if (name != NULL)
        snprintf(place->label, sizeof place->label, "relationship '%.*s'", FO_SHOWN_MAX, name);

    if (fo_config_check_keys(place, "", map, fo_config_relationship_keys) != 0 ||
        read_mode(place, map, relationship) != 0 || read_peers(place, map, relationship) != 0 ||
        read_relationship_name(place, map, relationship) != 0 ||
        read_division(place, map, relationship) != 0 ||
        read_subnets(place, map, relationship) != 0 || read_state_file(place, map, config) != 0)
        return -1;
    for (const struct fo_config_number *n = fo_config_numbers; n->key != NULL; n++)
        if (fo_config_read_number(place, map, relationship, n) != 0)
            return -1;
    for (const struct fo_config_word *w = fo_config_words; w->key != NULL; w++)
        if (fo_config_read_word(place, map, relationship, w) != 0)
            return -1;
    fo_config_divide(relationship);
    char wrong[FO_CONFIG_ERROR_MAX];
    if (!fo_secret_configure(map, relationship, wrong, sizeof wrong))
        return fo_config_fail(place, "%s", wrong);
    /* The partner's timer counts, but both servers are meant to have the same parameters. */
    if (relationship->contact_interval >= relationship->max_response_delay)
        return fo_config_refuse(
            place, "contact-interval", json_object_get(map, "contact-interval"),
            "must be shorter than max-response-delay, at best a third of it, or the "
            "partner takes this server for dead between two messages");
    return 0;
}

/* What only all relationships together show. */
static int check_together(struct fo_place *place, const struct fo_config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct fo_config_relationship *one = &config->relationships[i];
        snprintf(place->label, sizeof place->label, "relationship '%.*s'", FO_SHOWN_MAX, one->name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(one->name, config->relationships[j].name) == 0)
                return fo_config_fail(
                    place,
                    "relationship-name: \"%.*s\" is not allowed: it is there twice; "
                    "each relationship must have a name of its own",
                    FO_SHOWN_MAX, one->name);
        if (config->count > 1 && one->subnet_count == 0)
            return fo_config_fail(place,
                                  "subnets is missing: with more than one relationship, each must "
                                  "list its subnets");
        for (size_t j = 0; j < i; j++) {
            const struct fo_config_relationship *other = &config->relationships[j];
            for (size_t k = 0; k < one->subnet_count; k++)
                if (bsearch(&one->subnets[k], other->subnets, other->subnet_count,
                            sizeof other->subnets[0], compare_ids) != NULL)
                    return fo_config_fail(
                        place,
                        "subnets: %u is not allowed: relationship '%.*s' has it; a "
                        "subnet must be in one relationship only",
                        one->subnets[k], FO_SHOWN_MAX, other->name);
        }
    }
    return 0;
}

static int read_parameters(struct fo_place *place, json_t *root, struct fo_config *config)
{
    if (!json_is_object(root))
        return fo_config_fail(place, "must be a map with the key high-availability");
    if (fo_config_check_keys(place, "", root, fo_config_parameter_keys) != 0 ||
        read_state_file(place, root, config) != 0)
        return -1;
    json_t *list = json_object_get(root, "high-availability");
    size_t count = json_array_size(list);
    if (count < 1 || count > FO_RELATIONSHIPS_MAX) {
        if (json_is_array(list) && count > 0)
            return fo_config_fail(place,
                                  "high-availability: %zu relationships are not allowed: must be a "
                                  "list of 1 to %d",
                                  count, FO_RELATIONSHIPS_MAX);
        return fo_config_refuse(place, "high-availability", list,
                                "must be a list of 1 to 31 maps, one for "
                                "each relationship");
    }
    config->relationships = calloc(count, sizeof config->relationships[0]);
    if (config->relationships == NULL)
        return fo_config_fail(place, "out of memory");
    config->count = count;
    for (size_t i = 0; i < count; i++) {
        snprintf(place->label, sizeof place->label, "relationship %zu", i + 1);
        if (read_relationship(place, json_array_get(list, i), config, &config->relationships[i]) !=
            0)
            return -1;
    }
    return check_together(place, config);
}

int fo_config_parse(const char *json, struct fo_config *config, char *error)
{
    memset(config, 0, sizeof *config);
    error[0] = '\0';
    struct fo_place place = {.error = error, .label = "parameters"};
    json_error_t wrong;
    json_t *root = fo_config_load(json, &wrong);
    if (root == NULL && wrong.text[0] == '\0')
        return fo_config_fail(&place, "out of memory");
    if (root == NULL)
        return fo_config_fail(&place, "line %d: %s", wrong.line, wrong.text);
    int result = read_parameters(&place, root, config);
    json_decref(root);
    if (result != 0)
        fo_config_free(config);
    return result;
}
