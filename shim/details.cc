/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What Kea's lease says beside client and times: host name, its entries in DNS, and the relay agent
 * information that Kea keeps in the lease's user context where `store-extended-info` tells it to. Kea's
 * lease has no place for other options of the client's request, so they are not taken from it.
 *
 * The context is Kea's JSON: {"ISC": {"relay-agent-info": ...}}, the sub-options in hexadecimal as a
 * string, or (since 2.3.8) within a map, where two of them stand by themselves, too.
 */
#include "shim/shim.h"

#include <dhcp/dhcp4.h>

#include <algorithm>
#include <cstring>

namespace failover {

using isc::data::ConstElementPtr;
using isc::data::Element;
using isc::data::ElementPtr;

namespace {

const char *const OWNER = "ISC", *const AGENT = "relay-agent-info", *const OPTIONS = "sub-options";

int digit(char character)
{
    const char *const digits = "0123456789abcdef";
    const char *const found = strchr(digits, tolower(static_cast<unsigned char>(character)));
    return character != '\0' && found != nullptr ? static_cast<int>(found - digits) : -1;
}

/* "0x0104..." as bytes; false where it is something else, or too long. */
bool from_hex(const std::string &text, std::vector<uint8_t> &bytes)
{
    if (text.size() % 2 != 0 || text.size() > 2 + 2 * FO_DETAIL_MAX ||
        text.compare(0, 2, "0x") != 0) {
        return false;
    }
    for (size_t i = 2; i < text.size(); i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes.push_back(static_cast<uint8_t>(high << 4 | low));
    }
    return true;
}

std::string to_hex(const std::vector<uint8_t> &bytes)
{
    std::string text;
    for (const uint8_t byte : bytes) {
        text += "0123456789ABCDEF"[byte >> 4];
        text += "0123456789ABCDEF"[byte & 15];
    }
    return text;
}

ConstElementPtr member(const ConstElementPtr &map, const char *key)
{
    return map && map->getType() == Element::map ? map->get(key) : ConstElementPtr();
}

void read_agent(const isc::dhcp::Lease4 &lease, uint8_t *space, fo_details &details)
{
    ConstElementPtr info = member(member(lease.getContext(), OWNER), AGENT);
    std::vector<uint8_t> bytes;
    if (info && info->getType() == Element::map) {
        info = info->get(OPTIONS);
    }
    if (!info || info->getType() != Element::string || !from_hex(info->stringValue(), bytes)) {
        return;
    }
    std::copy(bytes.begin(), bytes.end(), space);
    details.agent = space;
    details.agent_length = static_cast<uint8_t>(bytes.size());
}

#ifdef FO_KEA_EXTENDED_INFO_MAP
/* A sub-option's value, in the lease and, where there is one, in the map. */
void set_sub_option(const std::vector<uint8_t> &agent, uint8_t code, const char *key,
                    std::vector<uint8_t> &value, const ElementPtr &info)
{
    value.clear();
    for (size_t at = 0; at + 2 <= agent.size(); at += 2u + agent[at + 1]) {
        const size_t end = at + 2 + agent[at + 1];
        if (agent[at] == code && end <= agent.size()) {
            value.assign(agent.data() + at + 2, agent.data() + end);
            break;
        }
    }
    if (!value.empty()) {
        info->set(key, Element::create(to_hex(value)));
    }
}
#endif

/* As the running Kea writes it. */
ElementPtr agent_info(const fo_details &details, isc::dhcp::Lease4 &lease)
{
    const std::vector<uint8_t> bytes(details.agent, details.agent + details.agent_length);
    const ElementPtr options = Element::create("0x" + to_hex(bytes));
#ifdef FO_KEA_EXTENDED_INFO_MAP
    const ElementPtr info = Element::createMap();
    info->set(OPTIONS, options);
    set_sub_option(bytes, isc::dhcp::RAI_OPTION_REMOTE_ID, "remote-id", lease.remote_id_, info);
    set_sub_option(bytes, isc::dhcp::RAI_OPTION_RELAY_ID, "relay-id", lease.relay_id_, info);
    return info;
#else
    (void)lease;
    return options;
#endif
}

/* What others keep in the context stays. */
void write_agent(const fo_details &details, isc::dhcp::Lease4 &lease)
{
    const ConstElementPtr before = lease.getContext();
    const bool kept = before && before->getType() == Element::map;
    if (details.agent_length == 0 && !member(member(before, OWNER), AGENT)) {
        return;
    }
    const ElementPtr context = kept ? isc::data::copy(before) : Element::createMap();
    const ConstElementPtr owned = member(before, OWNER);
    const ElementPtr own =
        owned && owned->getType() == Element::map ? isc::data::copy(owned) : Element::createMap();
    if (details.agent_length != 0) {
        own->set(AGENT, agent_info(details, lease));
    } else {
        own->remove(AGENT);
    }
    if (own->size() != 0) {
        context->set(OWNER, own);
    } else {
        context->remove(OWNER);
    }
    lease.setContext(context->size() != 0 ? context : ElementPtr());
}

} // namespace

void read_details(const isc::dhcp::Lease4 &lease, uint8_t *space, fo_details &details)
{
    memset(&details, 0, sizeof details);
    details.told = true;
    if (lease.hostname_.size() <= FO_DETAIL_MAX) {
        details.name = reinterpret_cast<const uint8_t *>(lease.hostname_.data());
        details.name_length = static_cast<uint8_t>(lease.hostname_.size());
    }
    if (details.name_length != 0) {
        details.forward = lease.fqdn_fwd_;
        details.reverse = lease.fqdn_rev_;
    }
    if (lease.getContext()) {
        read_agent(lease, space, details);
    }
}

void write_details(const fo_details &details, isc::dhcp::Lease4 &lease)
{
    if (!details.told) {
        return;
    }
    lease.hostname_.assign(reinterpret_cast<const char *>(details.name), details.name_length);
    lease.fqdn_fwd_ = details.forward;
    lease.fqdn_rev_ = details.reverse;
    write_agent(details, lease);
}

} // namespace failover
