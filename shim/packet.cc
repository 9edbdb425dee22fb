/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Reading Kea's packets. Options are taken from the packet's own collection: in a callout,
 * getOption() clones what it returns, and nothing here changes an option. What Kea finds out only
 * after our callout (reservations, the classes KNOWN and UNKNOWN) is found out here by Kea's own
 * means, and only where it matters.
 */
#include "shim/life.h"
#include "shim/packet.h"

#include <dhcp/dhcp4.h>
#include <dhcp/libdhcp++.h>
#include <dhcp/option_custom.h>
#include <dhcp/option_int.h>
#include <dhcpsrv/alloc_engine.h>
#include <dhcpsrv/cfgmgr.h>
#include <dhcpsrv/host.h>

#include <boost/make_shared.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

extern "C" {
#include "protocol/lease_time.h"
}

namespace failover {

using namespace isc::dhcp;
using isc::asiolink::IOAddress;

namespace {

OptionPtr option_of(const Pkt4 &packet, uint16_t code)
{
    const auto found = packet.options_.find(code);
    return found == packet.options_.end() ? OptionPtr() : found->second;
}

/* As the engine reads it: an option of another type is none. From its bytes, for readAddress()
   makes text of an address on its way, in every exchange. */
bool address_option(const Pkt4 &packet, uint16_t code, uint32_t &address)
{
    const auto option = boost::dynamic_pointer_cast<OptionCustom>(option_of(packet, code));
    if (!option) {
        return false;
    }
    const OptionBuffer &bytes = option->readBinary();
    if (bytes.size() != sizeof address) {
        return false;
    }
    memcpy(&address, bytes.data(), sizeof address);
    address = ntohl(address);
    return true;
}

bool seconds_option(const Pkt4 &packet, uint16_t code, uint32_t &seconds)
{
    const auto option = boost::dynamic_pointer_cast<OptionUint32>(option_of(packet, code));
    if (option) {
        seconds = option->getValue();
    }
    return static_cast<bool>(option);
}

/* 0 removes it. */
void set_seconds_option(Pkt4 &packet, uint16_t code, uint32_t seconds)
{
    packet.delOption(code);
    if (seconds != 0) {
        packet.addOption(OptionPtr(new OptionUint32(Option::V4, code, seconds)));
    }
}

} // namespace

/* ------------------------------------------------------------------ the packet's state */

Packet::Packet() : databases_lost(life.databases_lost)
{
    memset(&query, 0, sizeof query);
    memset(&decision, 0, sizeof decision);
}

Packet::~Packet()
{
    end();
}

void Packet::release()
{
    if (decision.claim.address != 0 && service() != nullptr) {
        fo_claim_release(service(), &decision.claim);
    }
}

std::string Packet::client_text() const
{
    return hardware_ ? hardware_->toText(false) : "a client without hardware address";
}

void Packet::read(Pkt4 &kea)
{
    hardware_ = kea.getHWAddr();
    identifier_ = option_of(kea, DHO_DHCP_CLIENT_IDENTIFIER);
    describe_client(hardware_, identifier_ ? &identifier_->getData() : nullptr, query.client);
    static const isc::dhcp::ClientClass BOOTP("BOOTP");
    query.message_type = kea.getType();
    query.bootp = query.message_type == DHCPREQUEST && kea.inClass(BOOTP); /* Kea makes REQUESTs of them */
    query.names_server = static_cast<bool>(option_of(kea, DHO_DHCP_SERVER_IDENTIFIER));
    query.asks_address = address_option(kea, DHO_DHCP_REQUESTED_ADDRESS, query.asked_address);
    query.secs = kea.getSecs();
    query.ciaddr = number(kea.getCiaddr());
}

uint32_t age_of(const Pkt4 &query)
{
    const boost::posix_time::ptime &came = query.getTimestamp();
    if (came.is_special()) { /* Kea 2.2 with raw sockets */
        return FO_AGE_MOST;
    }
    const auto age =
        (boost::posix_time::microsec_clock::universal_time() - came).total_milliseconds();
    return age < 0 || age > FO_AGE_MOST ? uint32_t{FO_AGE_MOST} : static_cast<uint32_t>(age);
}

bool concerns_us(uint8_t message_type)
{
    return message_type == DHCPDISCOVER || message_type == DHCPREQUEST || message_type == DHCPINFORM;
}

void describe_client(const HWAddrPtr &hardware, const std::vector<uint8_t> *identifier,
                     fo_client &client)
{
    memset(&client, 0, sizeof client);
    if (hardware) {
        const size_t length = std::min<size_t>(hardware->hwaddr_.size(), 20);
        client.hardware = hardware->hwaddr_.data();
        client.hardware_length = static_cast<uint8_t>(length);
        client.hardware_type = static_cast<uint8_t>(hardware->htype_);
    }
    if (identifier != nullptr && !identifier->empty()) {
        const size_t length = std::min<size_t>(identifier->size(), 255);
        client.identifier = identifier->data();
        client.identifier_length = static_cast<uint8_t>(length);
    }
}

/* ------------------------------------------------------------------ writing into packets */

/* An option made from its definition is checked each time, and even a copy costs a thousand instructions: so
   each thread has one of its own, and takes another only where a packet still has it. */
void steer(Pkt4 &query, uint32_t address)
{
    static thread_local OptionCustomPtr option;
    if (!option || option.use_count() > 1) {
        static const OptionCustom prototype(
            *LibDHCP::getOptionDef(DHCP4_OPTION_SPACE, DHO_DHCP_REQUESTED_ADDRESS), Option::V4);
        option = boost::make_shared<OptionCustom>(prototype);
    }
    const uint32_t network_order = htonl(address);
    const auto *bytes = reinterpret_cast<const uint8_t *>(&network_order);
    option->writeBinary(OptionBuffer(bytes, bytes + sizeof network_order));
    query.delOption(DHO_DHCP_REQUESTED_ADDRESS);
    query.addOption(option);
}

void fit_renewal_times(Pkt4 &response)
{
    uint32_t lease = 0, t1 = 0, t2 = 0;
    const bool has_t1 = seconds_option(response, DHO_DHCP_RENEWAL_TIME, t1);
    const bool has_t2 = seconds_option(response, DHO_DHCP_REBINDING_TIME, t2);
    /* With neither, the client computes both from the lease time. */
    if ((!has_t1 && !has_t2) || !seconds_option(response, DHO_DHCP_LEASE_TIME, lease)) {
        return;
    }
    uint32_t fit1 = t1, fit2 = t2;
    fo_renewal_times(lease, &fit1, &fit2);
    if (fit1 != t1) {
        set_seconds_option(response, DHO_DHCP_RENEWAL_TIME, fit1);
    }
    if (fit2 != t2) {
        set_seconds_option(response, DHO_DHCP_REBINDING_TIME, fit2);
    }
}

/* ------------------------------------------------------------------ reservations and guards */

/* A client identifier that carries a DUID: type 255, an IAID of four bytes, the DUID. */
static std::vector<uint8_t> duid_in(const std::vector<uint8_t> &identifier)
{
    const bool carries = identifier.size() > 5 && identifier[0] == 255;
    return carries ? std::vector<uint8_t>(identifier.begin() + 5, identifier.end())
                   : std::vector<uint8_t>();
}

static std::vector<uint8_t> circuit_of(const Pkt4 &query)
{
    const OptionPtr agent = option_of(query, DHO_DHCP_AGENT_OPTIONS);
    const OptionPtr circuit = agent ? agent->getOption(RAI_OPTION_AGENT_CIRCUIT_ID) : OptionPtr();
    return circuit ? circuit->getData() : std::vector<uint8_t>();
}

/* What identifies the client in one of Kea's ways; empty where it does not. */
static std::vector<uint8_t> identifier_for(const Pkt4 &query, Host::IdentifierType type)
{
    const OptionPtr option = option_of(query, DHO_DHCP_CLIENT_IDENTIFIER);
    const std::vector<uint8_t> identifier = option ? option->getData() : std::vector<uint8_t>();
    const HWAddrPtr hardware = query.getHWAddr();
    switch (type) {
    case Host::IDENT_HWADDR:
        return hardware ? hardware->hwaddr_ : std::vector<uint8_t>();
    case Host::IDENT_CLIENT_ID:
        return identifier;
    case Host::IDENT_DUID:
        return duid_in(identifier);
    case Host::IDENT_CIRCUIT_ID:
        return circuit_of(query);
    default:
        return std::vector<uint8_t>();
    }
}

/* The client's identifiers that Kea looks for, in its order. */
static std::vector<AllocEngine::IdentifierPair> identifiers_of(const Pkt4 &query)
{
    std::vector<AllocEngine::IdentifierPair> identifiers;
    const auto operations = CfgMgr::instance().getCurrentCfg()->getCfgHostOperations4();
    for (const auto &type : operations->getIdentifierTypes()) {
        std::vector<uint8_t> identifier = identifier_for(query, type);
        if (!identifier.empty()) {
            identifiers.emplace_back(type, std::move(identifier));
        }
    }
    return identifiers;
}

uint64_t host_number(Host::IdentifierType type, const std::vector<uint8_t> &identifier)
{
    std::string text(identifier.begin(), identifier.end());
    text.push_back(static_cast<char>(type));
    return std::hash<std::string>()(text);
}

bool may_have_reservation(const Pkt4 &query)
{
    const auto identifiers = identifiers_of(query);
    return std::any_of(identifiers.begin(), identifiers.end(),
                       [](const auto &one) { return is_owner(host_number(one.first, one.second)); });
}

/* Kea's search for the client's reservations. */
Reservations find_reservations(const Pkt4Ptr &query, const SubnetArgument &subnet)
{
    AllocEngine::ClientContext4 context;
    context.subnet_ = subnet;
    context.query_ = query;
    for (const auto &one : identifiers_of(*query)) {
        context.addHostIdentifier(one.first, one.second);
    }
    AllocEngine::findReservation(context);

    Reservations found;
    found.known = !context.hosts_.empty();
    if (context.currentHost()) {
        found.address = number(context.currentHost()->getIPv4Reservation());
    }
    for (const auto &entry : context.hosts_) {
        if (found.address == 0 && entry.second) {
            found.address = number(entry.second->getIPv4Reservation());
        }
    }
    return found;
}

extern "C" bool failover_pool_allowed(void *argument, uint32_t subnet_id, uint32_t pool_first)
{
    bool allowed = true;
    guarded("class guards", [&] {
        const ClientClasses &classes = *static_cast<const ClientClasses *>(argument);
        const auto subnet =
            CfgMgr::instance().getCurrentCfg()->getCfgSubnets4()->getBySubnetId(subnet_id);
        if (subnet) {
            const auto pool = subnet->getPool(Lease::TYPE_V4, IOAddress(pool_first), false);
            allowed = subnet->clientSupported(classes) && (!pool || pool->clientSupported(classes));
        }
    });
    return allowed;
}

} // namespace failover
