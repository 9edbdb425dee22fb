/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* The table that messages.def describes. */
#include "hook/messages.h"

const struct fo_log_text fo_log_texts[] = {
#define FO_MESSAGE(id, severity, text, explanation) \
    {"FAILOVER_" #id, FO_LOG_##severity, text, explanation},
#include "hook/messages.def"
#undef FO_MESSAGE
};
