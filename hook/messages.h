/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The operator's messages. Their identifiers, severities, texts and explanations stand in one
 * place, messages.def; the shim makes Kea's logger messages of them and doc/messages.md prints
 * them.
 */
#ifndef FO_HOOK_MESSAGES_H
#define FO_HOOK_MESSAGES_H

enum fo_log_severity { FO_LOG_DEBUG, FO_LOG_INFO, FO_LOG_WARN, FO_LOG_ERROR };

enum fo_log_id {
#define FO_MESSAGE(id, severity, text, explanation) FAILOVER_##id,
#include "hook/messages.def"
#undef FO_MESSAGE
    FAILOVER_MESSAGE_COUNT
};

struct fo_log_text {
    const char *name; /* "FAILOVER_STATE_CHANGED" */
    enum fo_log_severity severity;
    const char *text; /* %1 ... %9 are the arguments; %1 is the relationship where there is one */
    const char *explanation;
};

/* FAILOVER_MESSAGE_COUNT entries, indexed by enum fo_log_id. */
extern const struct fo_log_text fo_log_texts[];

#endif
