/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What came of a query. Kea's own callout for that, leases4_committed, makes it park every packet,
 * which costs more than all the rest of this library; so what it would tell is found out otherwise.
 *
 * A granted lease is known from lease4_select or lease4_renew, and that Kea has written it from the
 * answer that is about to leave (pkt4_send). What became of a RELEASE or DECLINE, and of a query
 * that was never answered, is seen when the packet ends. An older row of the client's that the
 * engine may delete is noted before, and looked for afterwards. The claim stands until then.
 */
#include "shim/life.h"
#include "shim/packet.h"

#include <dhcp/dhcp4.h>
#include <dhcpsrv/cfgmgr.h>
#include <dhcpsrv/host_mgr.h>
#include <dhcpsrv/lease_mgr.h>
#include <dhcpsrv/lease_mgr_factory.h>

namespace failover {

using namespace isc::dhcp;
using isc::asiolink::IOAddress;

/* ------------------------------------------------------------------ the client's other rows */

void leave_others(Packet &packet)
{
    fo_claim left;
    uint32_t after = 0;
    while (fo_moved_from(service(), &packet.query, &packet.decision, after, &left)) {
        after = left.address;
        if (!guarded("the row of an address left", [after] { remove_row(after); add_counts(); })) {
            packet.decision.doubtful = true;
        }
        fo_claim_release(service(), &left);
    }
}

namespace {

void note(std::vector<uint32_t> &rows, const Lease4Collection &found, const Lease4 &granted)
{
    for (const Lease4Ptr &lease : found) {
        if (lease->addr_ != granted.addr_ && governed(lease->subnet_id_)) {
            rows.push_back(number(lease->addr_));
        }
    }
}

} // namespace

/* As the engine looks for leases of its client. */
void note_rows(Packet &packet, const Lease4 &granted)
{
    const LeaseMgr &leases = LeaseMgrFactory::instance();
    if (granted.client_id_) {
        note(packet.rows, leases.getLease4(*granted.client_id_), granted);
    }
    if (granted.hwaddr_) {
        note(packet.rows, leases.getLease4(*granted.hwaddr_), granted);
    }
}

namespace {

void tell_deleted(Packet &packet)
{
    for (const uint32_t address : packet.rows) {
        if (!LeaseMgrFactory::instance().getLease4(IOAddress(address))) {
            fo_row_deleted(service(), address, &packet.query.client);
        }
    }
    packet.rows.clear();
}

/* ------------------------------------------------------------------ REQUEST */

/* Makes Kea's row say what the service wants it to say, from a fresh copy. */
void correct_row(const Lease4 &written, uint32_t length)
{
    const Lease4Ptr copy = LeaseMgrFactory::instance().getLease4(written.addr_);
    if (!copy) {
        isc_throw(isc::Unexpected, "the row just written is gone: " << written.addr_.toText());
    }
    copy->valid_lft_ = length;
    LeaseMgrFactory::instance().updateLease4(copy);
}

/* False where the claim is not good any more. */
bool commit(Packet &packet)
{
    const Lease4 &lease = *packet.granted;
    if (packet.decision.claim.address == 0) {
        return true; /* granted without a claim: a reservation outside the governed pools, not ours */
    }
    uint32_t length = lease.valid_lft_;
    uint8_t space[FO_DETAIL_MAX];
    fo_details details;
    read_details(lease, space, details);
    const fo_answer answer =
        fo_committed(service(), lease.subnet_id_, &packet.query, &packet.decision,
                     static_cast<uint32_t>(lease.cltt_), lease.valid_lft_, packet.desired, &details,
                     &length);
    if (answer == FO_DROP) {
        return false;
    }
    if (length != lease.valid_lft_) {
        correct_row(lease, length);
    }
    packet.decision.claim.row_written = false; /* the row says what the service said */
    return true;
}

/* The engine makes a NAK of every error, also where a database has failed, and it knows nothing of the lease or
   of whom the address is reserved for. Kea may have lost that, and have it back, since it asked. Of reservations any
   question will do, best one after what is nobody's. */
bool databases_answer(const Packet &packet)
{
    return guarded("Kea's lease database",
                   [&packet] {
                       LeaseMgrFactory::instance().getLease4(IOAddress(packet.decision.claim.address));
                   }) &&
           guarded("Kea's database of reservations",
                   [] { HostMgr::instance().getAll4(IOAddress::IPV4_BCAST_ADDRESS()); }) &&
           life.databases_lost == packet.databases_lost;
}

} // namespace

/* An entry of Kea's database is looked at here, which is not to be changed. What another library made of
   the answer, or of the lease, is none of ours. */
bool answer_stands(Packet &packet, const Pkt4 &response)
{
    if (packet.forbidden || packet.failed) {
        return false; /* the lease, or the engine's NAK for our refusal */
    }
    if (packet.query.message_type != DHCPREQUEST || !packet.decision.governed) {
        return true;
    }
    if (!packet.rows.empty()) {
        guarded("deleted leases", [&packet] { tell_deleted(packet); });
    }
    if (!response.getYiaddr().isV4Zero()) {
        return packet.granted && packet.granted->addr_ == response.getYiaddr() && commit(packet);
    }
    /* The engine failed to write, or to see, or looked at a row of a lease that has come since: no NAK for
       that. */
    return !packet.granted && !packet.decision.doubtful &&
           !fo_has_moved(service(), &packet.query, &packet.decision) &&
           databases_answer(packet);
}

/* ------------------------------------------------------------------ RELEASE, DECLINE */

namespace {

/* Kea was about to do it, unless another library has kept it from that. Newer Kea keeps the row of a
   released lease, and its names in DNS; the service sees to it that both go. */
void see_given_back(Packet &packet)
{
    const Lease4Ptr row =
        LeaseMgrFactory::instance().getLease4(IOAddress(packet.decision.claim.address));
    if (packet.query.message_type == DHCPRELEASE) {
        if ((!row || is_released(*row)) && fo_released(service(), &packet.decision, true) && row) {
            remove_names(row);
        }
    } else if (row && row->state_ == Lease::STATE_DECLINED) {
        fo_declined(service(), &packet.decision,
                    static_cast<uint32_t>(row->cltt_) + row->valid_lft_);
    }
}

} // namespace

/* Wherever it was dropped, by whom, and on which thread. */
void Packet::end()
{
    if (service() == nullptr) {
        return;
    }
    const bool possible = LeaseMgrFactory::haveInstance();
    if (given_back && decision.claim.address != 0 &&
        !(possible && guarded("a lease given back", [this] { see_given_back(*this); }))) {
        decision.claim.row_written = true; /* to be read */
    }
    if (!rows.empty() && possible) {
        guarded("deleted leases", [this] { tell_deleted(*this); });
    }
    release();
}

} // namespace failover
