/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The draft's names for its numbers, for logs, status and the texts of DISCONNECT: messages (6.1),
 * options (section 12, from the same table that message.c reads), binding statuses (12.3), states
 * (12.24) and reject reasons (12.21).
 *
 * RECOVER-WAIT is in section 9 but has no number in 12.24; 254 is what servers in the field send.
 * A number that has no name gives a text that says so, never NULL.
 */
#include "protocol/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const messages[] = {
    [FO_MSG_POOLREQ] = "POOLREQ",   [FO_MSG_POOLRESP] = "POOLRESP",
    [FO_MSG_BNDUPD] = "BNDUPD",     [FO_MSG_BNDACK] = "BNDACK",
    [FO_MSG_CONNECT] = "CONNECT",   [FO_MSG_CONNECTACK] = "CONNECTACK",
    [FO_MSG_UPDREQALL] = "UPDREQALL", [FO_MSG_UPDDONE] = "UPDDONE",
    [FO_MSG_UPDREQ] = "UPDREQ",     [FO_MSG_STATE] = "STATE",
    [FO_MSG_CONTACT] = "CONTACT",   [FO_MSG_DISCONNECT] = "DISCONNECT",
};

static const char *const options[] = {
#define FO_OPTION(code, name, ...) [FO_OPT_##code] = name,
#include "protocol/message_options.def"
#undef FO_OPTION
};

static const char *const statuses[] = {
    [FO_FREE] = "FREE",           [FO_ACTIVE] = "ACTIVE",       [FO_EXPIRED] = "EXPIRED",
    [FO_RELEASED] = "RELEASED",   [FO_ABANDONED] = "ABANDONED", [FO_RESET] = "RESET",
    [FO_BACKUP] = "BACKUP",
};

static const char *const states[] = {
    [FO_STATE_NONE] = "UNKNOWN",
    [FO_STATE_STARTUP] = "STARTUP",
    [FO_STATE_NORMAL] = "NORMAL",
    [FO_STATE_COMMUNICATIONS_INTERRUPTED] = "COMMUNICATIONS-INTERRUPTED",
    [FO_STATE_PARTNER_DOWN] = "PARTNER-DOWN",
    [FO_STATE_POTENTIAL_CONFLICT] = "POTENTIAL-CONFLICT",
    [FO_STATE_RECOVER] = "RECOVER",
    [FO_STATE_PAUSED] = "PAUSED",
    [FO_STATE_SHUTDOWN] = "SHUTDOWN",
    [FO_STATE_RECOVER_DONE] = "RECOVER-DONE",
    [FO_STATE_RESOLUTION_INTERRUPTED] = "RESOLUTION-INTERRUPTED",
    [FO_STATE_CONFLICT_DONE] = "CONFLICT-DONE",
};

static const char *const reasons[] = {
    [FO_REJECT_NONE] = "no reason",
    [FO_REJECT_ILLEGAL_ADDRESS] = "Illegal IP address (not part of any address pool)",
    [FO_REJECT_IN_USE] = "Fatal conflict exists: address in use by other client",
    [FO_REJECT_MISSING_INFORMATION] = "Missing binding information",
    [FO_REJECT_TIME_MISMATCH] = "Connection rejected, time mismatch too great",
    [FO_REJECT_INVALID_MCLT] = "Connection rejected, invalid MCLT",
    [FO_REJECT_UNKNOWN] = "Connection rejected, unknown reason",
    [FO_REJECT_DUPLICATE_CONNECTION] = "Connection rejected, duplicate connection",
    [FO_REJECT_INVALID_PARTNER] = "Connection rejected, invalid failover partner",
    [FO_REJECT_TLS_NOT_SUPPORTED] = "TLS not supported",
    [FO_REJECT_TLS_NOT_CONFIGURED] = "TLS supported but not configured",
    [FO_REJECT_TLS_REQUIRED] = "TLS required but not supported by partner",
    [FO_REJECT_DIGEST_NOT_SUPPORTED] = "Message digest not supported",
    [FO_REJECT_DIGEST_NOT_CONFIGURED] = "Message digest not configured",
    [FO_REJECT_VERSION_MISMATCH] = "Protocol version mismatch",
    [FO_REJECT_OUTDATED] = "Outdated binding information",
    [FO_REJECT_LESS_CRITICAL] = "Less critical binding information",
    [FO_REJECT_NO_TRAFFIC] = "No traffic within sufficient time",
    [FO_REJECT_HASH_BUCKET_CONFLICT] = "Hash bucket assignment conflict",
    [FO_REJECT_NOT_RESERVED] = "IP not reserved on this server",
    [FO_REJECT_DIGEST_FAILED] = "Message digest failed to compare",
    [FO_REJECT_MISSING_DIGEST] = "Missing message digest",
};

static const char *name(const char *const *table, size_t count, size_t number, const char *other)
{
    return number < count && table[number] != NULL ? table[number] : other;
}

const char *fo_message_name(uint8_t type)
{
    return name(messages, COUNT(messages), type, "unknown message");
}

const char *fo_option_name(uint16_t code)
{
    return name(options, COUNT(options), code, "unknown option");
}

const char *fo_status_name(uint8_t status)
{
    return name(statuses, COUNT(statuses), status, "unknown status");
}

const char *fo_state_name(uint8_t state)
{
    return state == FO_STATE_RECOVER_WAIT ? "RECOVER-WAIT"
                                          : name(states, COUNT(states), state, "unknown state");
}

const char *fo_reject_name(uint8_t reason)
{
    return name(reasons, COUNT(reasons), reason, "other reason");
}
