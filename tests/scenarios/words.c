/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What single words of a scenario mean: numbers, addresses, moments, the draft's names.
 */
#include "tests/scenarios/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool word_is(const struct line *line, size_t at, const char *word)
{
    return at < line->count && strcmp(line->words[at], word) == 0;
}

const char *word_at(const struct line *line, size_t at, const char *what)
{
    if (at >= line->count)
        fail("%s: %s is missing", line->words[0], what);
    return line->words[at];
}

uint32_t address_at(const struct line *line, size_t at)
{
    uint32_t first, last;
    if (!address_of_word(word_at(line, at, "an address"), &first, &last) || first != last)
        fail("\"%s\" is no address", line->words[at]);
    return first;
}

bool number_of(const char *word, int64_t *number)
{
    char *end;
    *number = strtoll(word, &end, 10);
    return *word != '\0' && *end == '\0';
}

static bool one_address(const char *word, size_t length, uint32_t *address)
{
    unsigned a, b, c, d;
    int used = 0;
    if (*word == '@') { /* that which a client has */
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)length - 1, word + 1);
        *address = client_of_word(name)->address;
        return true;
    }
    if (sscanf(word, "%u.%u.%u.%u%n", &a, &b, &c, &d, &used) != 4 || (size_t)used != length ||
        a > 255 || b > 255 || c > 255 || d > 255)
        return false;
    *address = a << 24 | b << 16 | c << 8 | d;
    return true;
}

bool address_of_word(const char *word, uint32_t *first, uint32_t *last)
{
    const char *dash = strchr(word, '-');
    if (dash == NULL)
        return one_address(word, strlen(word), first) && one_address(word, strlen(word), last);
    return one_address(word, (size_t)(dash - word), first) &&
           one_address(dash + 1, strlen(dash + 1), last) && *first <= *last;
}

bool span_of(const char *word, const char *unit, int64_t *ms)
{
    static const struct { const char *name; int64_t ms; } units[] = {
        {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    if (!number_of(word, ms))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i].name) == 0) {
            *ms *= units[i].ms;
            return true;
        }
    return false;
}

bool moment_of(const char *word, uint32_t now, uint32_t *moment)
{
    char *end;
    if (strcmp(word, "never") == 0 || strcmp(word, "now") == 0) {
        *moment = *word == 'n' && word[1] == 'e' ? 0 : now;
        return true;
    }
    if (*word != '+' && *word != '-')
        return false;
    const long long value = strtoll(word, &end, 10);
    const int unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 1;
    *moment = (uint32_t)(now + value * unit);
    return *end == '\0' || (unit > 1 && end[1] == '\0');
}

uint8_t state_of_word(const char *word)
{
    for (unsigned i = FO_STATE_STARTUP; i <= FO_STATE_RECOVER_WAIT; i++)
        if (strcmp(fo_state_name((uint8_t)i), word) == 0)
            return (uint8_t)i;
    fail("\"%s\" is no state", word);
}

uint8_t status_of_word(const char *word)
{
    for (unsigned i = FO_FREE; i <= FO_BACKUP; i++)
        if (strcmp(fo_status_name((uint8_t)i), word) == 0)
            return (uint8_t)i;
    return 0;
}

uint8_t type_of_word(const char *word)
{
    for (unsigned i = FO_MSG_POOLREQ; i <= FO_MSG_DISCONNECT; i++)
        if (strcmp(fo_message_name((uint8_t)i), word) == 0)
            return (uint8_t)i;
    return 0;
}

struct client *client_of_word(const char *word)
{
    for (size_t i = 0; i < stage.client_count; i++)
        if (strcmp(stage.clients[i].name, word) == 0)
            return &stage.clients[i];
    fail("there is no client %s: say `clients primary %s`, or `clients secondary %s`", word, word, word);
}
