/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a lease tells beside its client and its times: host name, relay agent information, and what
 * DNS has of it (5.12, 12.7 to 12.9).
 *
 * It has two forms. Packed, it stays with the binding, in memory and in the store. In an update it
 * is three options: client-reply-options (the host name), client-request-options (option 82 as it
 * came), DDNS (the name that DNS has, and which of its entries). These three go together: who sends
 * one of them says all that there is, so that a name that is gone is gone at the partner, too; who
 * sends none says nothing.
 *
 * What comes from the network is taken only as far as it makes sense; what does not is left out, for
 * a lease is not refused because of a strange host name.
 */
#ifndef FO_PROTOCOL_DETAILS_H
#define FO_PROTOCOL_DETAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fo_update;

enum {
    FO_DETAIL_MAX = 255,                         /* as an option of DHCP, and a name of DNS */
    FO_DETAILS_PACKED_MAX = 3 + 2 * FO_DETAIL_MAX, /* less than Kea's own row of the lease */
};

struct fo_details {
    bool told;             /* something is known, be it that there is nothing */
    bool forward, reverse; /* one of the servers entered name to address, address to name in DNS */
    bool removed;          /* and we have removed them since, at the end of the lease */
    uint8_t name_length, agent_length; /* 0: none */
    const uint8_t *name;   /* host name; what DNS has ends in a dot */
    const uint8_t *agent;  /* sub-options of option 82 */
};

/* Returns the length, 0 where nothing is told. */
size_t fo_details_pack(const struct fo_details *details, uint8_t space[FO_DETAILS_PACKED_MAX]);
/* Points into `bytes`. False where they are damaged (`details` is empty then); length 0 is right. */
bool fo_details_unpack(const uint8_t *bytes, size_t length, struct fo_details *details);
/* Of packed ones: the names in DNS are the partner's to remove (it has said that it will), or there are
   none; or we have removed them. */
void fo_details_forget_names(uint8_t *bytes, size_t length);
void fo_details_names_removed(uint8_t *bytes, size_t length);
/* Does an update of an ended lease say that its sender removes the names, or has done so? */
bool fo_details_names_taken(const struct fo_update *update);

/* Where the options of one update are. */
struct fo_details_space {
    uint8_t request[6 + FO_DETAIL_MAX], reply[6 + FO_DETAIL_MAX], name[FO_DETAIL_MAX];
};

/* Adds to an update, whose status is set, what table 7.1-1 says belongs in it. */
void fo_details_say(const struct fo_details *details, struct fo_update *update,
                    struct fo_details_space *space);
/* What an update says; points into it and into `space`. */
void fo_details_hear(const struct fo_update *update, struct fo_details *details,
                     uint8_t space[FO_DETAIL_MAX]);

#ifdef __cplusplus
}
#endif

#endif
