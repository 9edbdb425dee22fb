/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the callouts know of a packet, and how it is read from Kea's packet and written into it.
 *
 * A Packet travels in the packet's callout handle and ends with it, wherever Kea drops it; its
 * claim is released then at the latest. How it ends is in outcome.cc.
 */
#ifndef FO_SHIM_PACKET_H
#define FO_SHIM_PACKET_H

#include "shim/shim.h"

namespace failover {

class Packet {
public:
    Packet();
    ~Packet();
    Packet(const Packet &) = delete;
    Packet &operator=(const Packet &) = delete;

    /* The query as the service sees it. */
    void read(isc::dhcp::Pkt4 &query);
    /* The client for the log: its hardware address. */
    std::string client_text() const;
    /* Undoes what is left of the claim; may be called again. */
    void release();

    fo_query query;
    fo_decision decision;
    uint32_t desired = 0;           /* lease time that the configuration gives */
    isc::dhcp::Lease4Ptr granted;   /* what the engine was allowed to lease; not to be changed */
    std::vector<uint32_t> rows;     /* of the client, which the engine may delete */
    const uint32_t databases_lost; /* by Kea, when the packet came (life.h) */
    bool plain = false;     /* DISCOVER: neither class guards nor reservations concern its network */
    bool looked_up = false; /* what is reserved for the client */
    bool given_back = false; /* RELEASE, DECLINE: Kea was about to do it */
    bool forbidden = false; /* the answer must not go out */
    bool failed = false;    /* a callout failed: no later one may allow it again */

private:
    void end();

    isc::dhcp::HWAddrPtr hardware_; /* what query.client points into */
    isc::dhcp::OptionPtr identifier_;
};

using PacketPtr = boost::shared_ptr<Packet>;

/* So many ms ago it came; FO_AGE_MOST where Kea does not know, or the clock was set since. */
uint32_t age_of(const isc::dhcp::Pkt4 &query);
/* Does the service want to hear of this type of message? */
bool concerns_us(uint8_t message_type);
/* Puts the address into option 50, which the engine tries before it looks for one itself. */
void steer(isc::dhcp::Pkt4 &query, uint32_t address);
/* Configured T1 and T2 may not fit a shortened lease: then they are made to. */
void fit_renewal_times(isc::dhcp::Pkt4 &response);

/* ------------------------------------------------------------------ outcome.cc */

/* The client holds what it asks for, or is about to: leases of it at other addresses end, row first. */
void leave_others(Packet &packet);
/* lease4_select of a REQUEST: notes the client's other rows, which the engine may delete. */
void note_rows(Packet &packet, const isc::dhcp::Lease4 &granted);
/* pkt4_send: may the answer go out? A lease is committed. */
bool answer_stands(Packet &packet, const isc::dhcp::Pkt4 &response);

/* ------------------------------------------------------------------ packet.cc */

/* What Kea will find out of the client's reservations a little later. */
struct Reservations {
    bool known = false;
    uint32_t address = 0;
};
Reservations find_reservations(const isc::dhcp::Pkt4Ptr &query, const SubnetArgument &subnet);
/* Whether it may be that an address is reserved for it: by the configuration, or by a database as that was when
   Kea's configuration was loaded. */
bool may_have_reservation(const isc::dhcp::Pkt4 &query);

/* An fo_pool_allowed; its argument are those classes. */
extern "C" bool failover_pool_allowed(void *classes, uint32_t subnet_id, uint32_t pool_first);

} // namespace failover

#endif
