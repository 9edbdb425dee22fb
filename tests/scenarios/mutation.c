/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Whether a scenario's expectations can fail. Each word of each of them that names a value is replaced by
 * another value, one at a time, and the scenario is played again: it must be reported in that very line.
 * Values that come from a table are replaced there, where nothing but expectations uses the column.
 */
#include "tests/scenarios/script.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/message.h"

struct mutation {
    const struct script *script;
    struct scenario *scenario;
    char *survivors; /* what was not noticed */
    size_t count;    /* of all that were tried */
};

static bool one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* Where the words of an expectation begin; 0: it is none. */
static size_t expectation(const struct line *line)
{
    static const char *const kinds[] = {"expect", "state", "binding", "row", "told", "addresses", "log",
                                        NULL};
    static const char *const who[] = {"primary", "secondary", NULL};
    const size_t at = one_of(line->words[0], who) && line->count > 1 ? 1 : 0;
    if (one_of(line->words[at], kinds))
        return at + 1;
    return at + 3 < line->count && strcmp(line->words[at], "client") == 0 &&
                   strcmp(line->words[at + 2], "leases") == 0
               ? at + 3
               : 0;
}

/* ------------------------------------------------------------------ another value */

static const char *const pairs[][2] = {
    {"OFFER", "NAK"}, {"ACK", "NAK"}, {"NAK", "silence"}, {"silence", "NAK"}, {"passes", "silence"},
    {"nothing", "close"}, {"close", "nothing"}, {"done", "refused"}, {"refused", "done"},
    {"running", "startup"}, {"startup", "running"}, {"reserved", "bootp"}, {"absent", "declined"},
    {"declined", "absent"}, {"now", "+100"}, {"never", "+100"}, {"none", "3-5"}};

static const char *another_name(const char *word)
{
    for (unsigned i = FO_STATE_STARTUP; i <= FO_STATE_RECOVER_WAIT; i++)
        if (strcmp(fo_state_name((uint8_t)i), word) == 0)
            return i == FO_STATE_NORMAL ? "RECOVER" : "NORMAL";
    for (unsigned i = FO_FREE; i <= FO_BACKUP; i++)
        if (strcmp(fo_status_name((uint8_t)i), word) == 0)
            return i == FO_FREE ? "ABANDONED" : "FREE";
    for (unsigned i = FO_MSG_POOLREQ; i <= FO_MSG_DISCONNECT; i++)
        if (strcmp(fo_message_name((uint8_t)i), word) == 0)
            return i == FO_MSG_POOLREQ ? "UPDREQ" : "POOLREQ";
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (strcmp(word, pairs[i][0]) == 0)
            return pairs[i][1];
    return strncmp(word, "FAILOVER_", 9) == 0 ? "FAILOVER_INTERNAL_ERROR" : NULL;
}

/* Another client of the scenario's, or NULL. */
static const char *another_client(const struct scenario *scenario, const char *name)
{
    static const char *const kinds[] = {"identified", "named", "in-dns", NULL};
    for (size_t i = 0; i < scenario->count; i++)
        for (size_t k = 2; strcmp(scenario->lines[i].words[0], "clients") == 0 &&
                           k < scenario->lines[i].count; k++)
            if (strcmp(scenario->lines[i].words[k], name) != 0 &&
                !one_of(scenario->lines[i].words[k], kinds) &&
                !one_of(scenario->lines[i].words[k], scenario->columns) &&
                strchr(scenario->lines[i].words[k], '-') == NULL)
                return scenario->lines[i].words[k];
    return NULL;
}

/* NULL: the word has no value that could be another. */
static const char *another(const struct scenario *scenario, const char *kind, const char *before,
                           const char *word, char space[300])
{
    static const char *const texts[] = {"reason", "message", "relationship", "vendor-class", NULL};
    static const char *const orders[] = {"done", "refused", NULL};
    int number = 0, used = 0;
    if (strcmp(before, "no") == 0)
        return NULL;
    if (strcmp(before, "name") == 0) { /* one word, also in a table */
        snprintf(space, 300, "not-%s", word);
        return space;
    }
    if (strcmp(before, "client") == 0)
        return another_client(scenario, word);
    if (strcmp(word, "accepted") == 0)
        return strcmp(kind, "CONNECTACK") == 0 ? "startup" : "reserved";
    if (one_of(before, texts) || one_of(before, orders) || strncmp(before, "FAILOVER_", 9) == 0) {
        if (*word == '\0')
            return NULL;
        snprintf(space, 300, "%s, but not this", word);
        return space;
    }
    const char *name = strcmp(kind, "addresses") == 0 ? NULL : another_name(word);
    if (name != NULL)
        return name;
    if (*word == '@' || (isdigit((unsigned char)*word) && strchr(word, '.') != NULL))
        return strcmp(kind, "row") == 0 ? NULL
               : strchr(word, '-')      ? "192.0.2.90-192.0.2.99"
                                        : "192.0.2.99";
    if (*word == '+' || (*word == '-' && isdigit((unsigned char)word[1]))) {
        snprintf(space, 300, "+%d", abs(atoi(word)) * 60 + 1000);
        return space;
    }
    if (sscanf(word, "%d%n", &number, &used) == 1) {
        snprintf(space, 300, "%d%s", number + 1, word + used);
        return space;
    }
    return NULL;
}

/* ------------------------------------------------------------------ played again */

static void must_fail(struct mutation *mutation, const struct row *only, const struct line *line,
                      const char *was, const char *is)
{
    const struct scenario *scenario = mutation->scenario;
    char report[REPORT_MAX] = "", at[300];
    bool good = true;
    mutation->count++;
    if (only != NULL)
        good = script_perform(mutation->script, scenario, only, false, report);
    for (size_t i = 0; only == NULL && good && i < (scenario->row_count ? scenario->row_count : 1); i++)
        good = script_perform(mutation->script, scenario,
                              scenario->row_count ? &scenario->rows[i] : NULL, false, report);
    snprintf(at, sizeof at, "%s:%d", mutation->script->file, line->number);
    const size_t length = strlen(at), used = strlen(mutation->survivors);
    if (!good && (only != NULL || (strncmp(report, at, length) == 0 && !isdigit((unsigned char)report[length]))) &&
        strstr(report, "expected") != NULL)
        return;
    snprintf(mutation->survivors + used, REPORT_MAX - used, "%s%s: \"%s\" instead of \"%s\" %s%s",
             used ? "\n" : "", at, is, was, good ? "passes" : "is reported as ", good ? "" : report);
}

static void mutate_line(struct mutation *mutation, struct line *line)
{
    char space[300];
    const size_t from = expectation(line);
    for (size_t i = from; from != 0 && i < line->count; i++) {
        const char *was = line->words[i];
        const char *kind = strcmp(line->words[from - 1], "expect") == 0 ? line->words[from]
                                                                         : line->words[from - 1];
        if (one_of(was, mutation->scenario->columns))
            continue;
        const char *is = another(mutation->scenario, kind, i > from ? line->words[i - 1] : "", was, space);
        if (is == NULL)
            continue;
        line->words[i] = is;
        must_fail(mutation, NULL, line, was, is);
        line->words[i] = was;
    }
}

/* Is it used, and by expectations alone? */
static const struct line *expecting_column(const struct scenario *scenario, size_t column)
{
    const struct line *used = NULL;
    for (size_t i = 0; i < scenario->count; i++)
        for (size_t k = 0; k < scenario->lines[i].count; k++)
            if (strcmp(scenario->lines[i].words[k], scenario->columns[column]) == 0) {
                if (expectation(&scenario->lines[i]) == 0)
                    return NULL;
                used = &scenario->lines[i];
            }
    return used;
}

static void mutate_row(struct mutation *mutation, struct row *row, size_t column,
                       const struct line *line)
{
    char space[300], value[400], first[200], rest[200];
    const char *was = row->values[column], *is;
    const size_t from = expectation(line);
    int used = 0;
    /* One word, or a word and its value. */
    if (*was == '\0' || *was == '"' || sscanf(was, "%199s%n", first, &used) != 1)
        return;
    snprintf(rest, sizeof rest, "%s", was + used);
    size_t at = from;
    while (at < line->count && strcmp(line->words[at], mutation->scenario->columns[column]) != 0)
        at++;
    if (*rest != '\0') {
        is = another(mutation->scenario, line->words[from], first, rest + 1, space);
        snprintf(value, sizeof value, "%s %s", first, is ? is : "");
    } else {
        is = another(mutation->scenario, line->words[from], at > from ? line->words[at - 1] : "", first,
                     space);
        snprintf(value, sizeof value, "%s", is ? is : "");
    }
    if (is == NULL)
        return;
    row->values[column] = value;
    must_fail(mutation, row, line, was, value);
    row->values[column] = was;
}

size_t script_mutate(struct script *script, char survivors[REPORT_MAX])
{
    struct mutation mutation = {.script = script, .survivors = survivors};
    survivors[0] = '\0';
    for (size_t i = 0; i < script->count; i++) {
        struct scenario *scenario = mutation.scenario = &script->scenarios[i];
        for (size_t k = 0; k < scenario->count; k++)
            mutate_line(&mutation, &scenario->lines[k]);
        for (size_t column = 0; column < scenario->column_count; column++) {
            const struct line *line = expecting_column(scenario, column);
            for (size_t k = 0; line != NULL && k < scenario->row_count; k++)
                mutate_row(&mutation, &scenario->rows[k], column, line);
        }
    }
    return mutation.count;
}
