/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The failover messages and their options as C structs (draft-12 sections 6, 7 and 12).
 *
 * A frame is a 12-byte header and options of two-byte code and two-byte length. BNDUPD and BNDACK
 * may carry several binding update transactions (6.3), each opened by an assigned-IP-address
 * option. Which option exists, how long it is and in which message it may stand is one table,
 * message_options.def; a dialect (dialect.h) says where a partner differs from the draft.
 *
 * Addresses and numbers are in host byte order in these structs. Byte strings point into the frame
 * that was decoded, and live as long as it does.
 */
#ifndef FO_PROTOCOL_MESSAGE_H
#define FO_PROTOCOL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fo_dialect;

enum {
    FO_HEADER_SIZE = 12,      /* 6.1: length, type, payload offset, time, xid */
    FO_MESSAGE_MAX = 2048,    /* 6.1: "The maximum length is 2048 bytes" */
    FO_PROTOCOL_VERSION = 1,  /* 12.20 */
    FO_HBA_SIZE = 32,         /* 12.11: 256 buckets, a bit each */
    /* Most transactions one frame can hold: (2048 - 12) / 8, addresses alone as in a BNDACK. */
    FO_UPDATES_MAX = 254,
};

/* 6.1. 0 to 127 must be understood, an unknown one above may be ignored. */
enum fo_message_type {
    FO_MSG_POOLREQ = 1,
    FO_MSG_POOLRESP = 2,
    FO_MSG_BNDUPD = 3,
    FO_MSG_BNDACK = 4,
    FO_MSG_CONNECT = 5,
    FO_MSG_CONNECTACK = 6,
    FO_MSG_UPDREQALL = 7,
    FO_MSG_UPDDONE = 8,
    FO_MSG_UPDREQ = 9,
    FO_MSG_STATE = 10,
    FO_MSG_CONTACT = 11,
    FO_MSG_DISCONNECT = 12,
};

/* Section 12, in its order; the values are the codes on the wire. */
enum fo_option {
    FO_OPT_ADDRESSES_TRANSFERRED = 1,
    FO_OPT_ASSIGNED_IP_ADDRESS = 2,
    FO_OPT_BINDING_STATUS = 3,
    FO_OPT_CLIENT_IDENTIFIER = 4,
    FO_OPT_CLIENT_HARDWARE_ADDRESS = 5,
    FO_OPT_CLIENT_LAST_TRANSACTION_TIME = 6,
    FO_OPT_CLIENT_REPLY_OPTIONS = 7,
    FO_OPT_CLIENT_REQUEST_OPTIONS = 8,
    FO_OPT_DDNS = 9,
    FO_OPT_DELAYED_SERVICE_PARAMETER = 10,
    FO_OPT_HASH_BUCKET_ASSIGNMENT = 11,
    FO_OPT_IP_FLAGS = 12,
    FO_OPT_LEASE_EXPIRATION_TIME = 13,
    FO_OPT_MAX_UNACKED_BNDUPD = 14,
    FO_OPT_MCLT = 15,
    FO_OPT_MESSAGE = 16,
    FO_OPT_MESSAGE_DIGEST = 17,
    FO_OPT_POTENTIAL_EXPIRATION_TIME = 18,
    FO_OPT_RECEIVE_TIMER = 19,
    FO_OPT_PROTOCOL_VERSION = 20,
    FO_OPT_REJECT_REASON = 21,
    FO_OPT_RELATIONSHIP_NAME = 22,
    FO_OPT_SERVER_FLAGS = 23,
    FO_OPT_SERVER_STATE = 24,
    FO_OPT_START_TIME_OF_STATE = 25,
    FO_OPT_TLS_REPLY = 26,
    FO_OPT_TLS_REQUEST = 27,
    FO_OPT_VENDOR_CLASS_IDENTIFIER = 28,
    FO_OPT_VENDOR_SPECIFIC_OPTIONS = 29,
    FO_OPT_LAST = FO_OPT_VENDOR_SPECIFIC_OPTIONS,
};

/* A bit for each option, for `present` below. */
#define FO_HAS(option) (UINT32_C(1) << (option))

/* 12.3 */
enum fo_binding_status {
    FO_FREE = 1,
    FO_ACTIVE = 2,
    FO_EXPIRED = 3,
    FO_RELEASED = 4,
    FO_ABANDONED = 5,
    FO_RESET = 6,
    FO_BACKUP = 7,
};

/* 12.24; RECOVER-WAIT has no number there, servers in the field send 254. */
enum fo_state {
    FO_STATE_NONE = 0, /* no state known yet (the partner's, before its first STATE) */
    FO_STATE_STARTUP = 1,
    FO_STATE_NORMAL = 2,
    FO_STATE_COMMUNICATIONS_INTERRUPTED = 3,
    FO_STATE_PARTNER_DOWN = 4,
    FO_STATE_POTENTIAL_CONFLICT = 5,
    FO_STATE_RECOVER = 6,
    FO_STATE_PAUSED = 7,
    FO_STATE_SHUTDOWN = 8,
    FO_STATE_RECOVER_DONE = 9,
    FO_STATE_RESOLUTION_INTERRUPTED = 10,
    FO_STATE_CONFLICT_DONE = 11,
    FO_STATE_RECOVER_WAIT = 254,
};

/* 12.21 */
enum fo_reject_reason {
    FO_REJECT_NONE = 0,
    FO_REJECT_ILLEGAL_ADDRESS = 1,
    FO_REJECT_IN_USE = 2,
    FO_REJECT_MISSING_INFORMATION = 3,
    FO_REJECT_TIME_MISMATCH = 4,
    FO_REJECT_INVALID_MCLT = 5,
    FO_REJECT_UNKNOWN = 6,
    FO_REJECT_DUPLICATE_CONNECTION = 7,
    FO_REJECT_INVALID_PARTNER = 8,
    FO_REJECT_TLS_NOT_SUPPORTED = 9,
    FO_REJECT_TLS_NOT_CONFIGURED = 10,
    FO_REJECT_TLS_REQUIRED = 11,
    FO_REJECT_DIGEST_NOT_SUPPORTED = 12,
    FO_REJECT_DIGEST_NOT_CONFIGURED = 13,
    FO_REJECT_VERSION_MISMATCH = 14,
    FO_REJECT_OUTDATED = 15,
    FO_REJECT_LESS_CRITICAL = 16,
    FO_REJECT_NO_TRAFFIC = 17,
    FO_REJECT_HASH_BUCKET_CONFLICT = 18,
    FO_REJECT_NOT_RESERVED = 19,
    FO_REJECT_DIGEST_FAILED = 20,
    FO_REJECT_MISSING_DIGEST = 21,
    FO_REJECT_OTHER = 254,
};

/* IP-flags (12.12): numbered from the least significant bit, as its text says. */
enum { FO_IP_FLAG_RESERVED = 0x0001, FO_IP_FLAG_BOOTP = 0x0002 };

/* server-flags (12.23) */
enum { FO_SERVER_FLAG_STARTUP = 0x01 };

struct fo_bytes {
    const uint8_t *data;
    uint16_t length;
};

/* One binding update transaction (6.3): what follows one assigned-IP-address option. Fields are
   meaningful only where their option's bit stands in `present`. */
struct fo_update {
    uint32_t present;
    uint32_t address;
    uint8_t status;        /* enum fo_binding_status; decode lets only 1..7 through */
    uint8_t reject_reason; /* enum fo_reject_reason or a number unknown to us (BNDACK) */
    uint16_t ip_flags;
    uint16_t ddns_flags;
    uint32_t lease_expiration;      /* absolute times, seconds since 1970, sender's clock */
    uint32_t potential_expiration;
    uint32_t client_last_transaction;
    uint32_t start_of_state;
    struct fo_bytes client_identifier;
    struct fo_bytes hardware_address; /* first byte is the hardware type (12.5) */
    struct fo_bytes request_options;  /* magic number included (12.8) */
    struct fo_bytes reply_options;    /* magic number included (12.7) */
    struct fo_bytes ddns_name;        /* RFC 1035 encoding (12.9) */
    struct fo_bytes message;          /* human-readable (BNDACK) */
};

struct fo_message {
    uint8_t type; /* enum fo_message_type, or 128..255 unknown to us */
    uint32_t time;
    uint32_t xid;
    uint32_t present; /* options outside the transactions */
    uint32_t addresses_transferred;
    uint32_t max_unacked;
    uint32_t mclt;          /* seconds */
    uint32_t receive_timer; /* seconds */
    uint32_t start_of_state;
    uint8_t delayed_service;
    uint8_t protocol_version;
    uint8_t reject_reason;
    uint8_t server_flags;
    uint8_t server_state; /* enum fo_state; decode lets only the numbers of 12.24 and 254 through */
    uint8_t tls_reply;
    uint8_t tls_request;
    uint8_t digest_type;
    uint8_t hash_buckets[FO_HBA_SIZE];
    struct fo_bytes message;
    struct fo_bytes digest; /* without its type byte */
    struct fo_bytes relationship_name;
    struct fo_bytes vendor_class;
    struct fo_bytes vendor_options; /* options in the same format (12.29), see fo_vendor_option */
    size_t update_count;
    struct fo_update updates[FO_UPDATES_MAX];
};

/* What was wrong with a frame; `text` is for the log and for a DISCONNECT's message option. */
struct fo_decode_error {
    enum fo_reject_reason reason;
    char text[128];
};

/* How long is the frame that starts at `data`?
   Returns its length in bytes (12..2048), 0 where fewer than two bytes are there yet, and -1 where
   the length field is out of bounds: the stream cannot be trusted any more (6.1). */
int fo_frame_length(const uint8_t *data, size_t available);

/* Decodes one whole frame of `length` bytes into `message`.
   Unknown options are skipped, an option twice in one place is an error (6.2), as is a wrong
   length, an option outside its message, a status or state that does not exist, or a transaction
   without its address first. A message type in 128..255 that we do not know decodes with no
   options; one in 13..127 is an error (6.1). Returns false with `error` filled. */
bool fo_decode(const struct fo_dialect *dialect, const uint8_t *frame, size_t length,
               struct fo_message *message, struct fo_decode_error *error);

/* Encodes `message` (options whose bits are set) into `buffer`.
   Returns the frame's length, or 0 where it would exceed `capacity` or FO_MESSAGE_MAX, or where
   fo_decode would refuse it: an option that has no place in this message, a wrong length, status
   or state, a BNDUPD or BNDACK without a transaction. */
size_t fo_encode(const struct fo_dialect *dialect, const struct fo_message *message,
                 uint8_t *buffer, size_t capacity);

/* The bytes that one transaction takes in a frame, at most, for packing (6.3). */
size_t fo_update_size(const struct fo_update *update);

/* Finds sub-option `code` in vendor-specific-options (12.29). Returns false where it is absent or
   the embedding is broken anywhere. Decoding drops the option where no vendor-class-identifier
   stands beside it; whose class it is the caller asks. */
bool fo_vendor_option(const struct fo_message *message, uint16_t code, struct fo_bytes *value);

/* The draft's names, for logs: "BNDUPD", "binding-status", "ACTIVE", "COMMUNICATIONS-INTERRUPTED",
   "Outdated binding information". Never NULL. */
const char *fo_message_name(uint8_t type);
const char *fo_option_name(uint16_t code);
const char *fo_status_name(uint8_t status);
const char *fo_state_name(uint8_t state);
const char *fo_reject_name(uint8_t reason);

#endif
