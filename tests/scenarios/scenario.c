/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Plays scenario files by hand: tests/scenarios/scenario FILE... [--trace]. With --trace everything
 * that happens is told: statements, messages, what the log says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenarios/script.h"

int main(int count, char **arguments)
{
    bool trace = false, good = true;
    char report[REPORT_MAX];
    int files = 0;
    for (int i = 1; i < count; i++)
        trace |= strcmp(arguments[i], "--trace") == 0;
    for (int i = 1; i < count; i++) {
        struct script script;
        if (strcmp(arguments[i], "--trace") == 0)
            continue;
        files++;
        const bool played = script_read(&script, arguments[i], NULL, report) &&
                            script_play(&script, trace, report);
        script_free(&script);
        if (played)
            printf("%s: as expected\n", arguments[i]);
        else
            printf("%s\n", report);
        good = good && played;
    }
    if (files == 0)
        fprintf(stderr, "usage: scenario FILE... [--trace]\n");
    return good && files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
