/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Commands by which an operator tells a relationship something:
 *
 *   failover-partner-down {"relationship": "a-b", "down-since": 1700000000, "force": false,
 *                          "dry-run": false}
 *
 * The name may be left out where there is one relationship. down-since is in seconds since 1970;
 * without it the partner counts as down from now on.
 */
#include "shim/shim.h"

#include <cc/command_interpreter.h>

#include <limits>

namespace failover {

using isc::config::createAnswer;
using isc::data::ConstElementPtr;
using isc::data::Element;
using isc::hooks::CalloutHandle;

namespace {

using Order = struct fo_partner_down_order;

[[noreturn]] void refuse_argument(const std::string &key, const std::string &right)
{
    refuse("'" + key + "' " + right);
}

bool truth(const std::string &key, const ConstElementPtr &value)
{
    if (value->getType() != Element::boolean) {
        refuse_argument(key, "must be true or false");
    }
    return value->boolValue();
}

/* `name` owns what order.relationship points to. */
void take_argument(const std::string &key, const ConstElementPtr &value, std::string &name,
                   Order &order)
{
    if (key == "relationship") {
        if (value->getType() != Element::string) {
            refuse_argument(key, "must be the name of a relationship");
        }
        name = value->stringValue();
        order.relationship = name.c_str();
    } else if (key == "down-since") {
        if (value->getType() != Element::integer || value->intValue() <= 0 ||
            value->intValue() >= std::numeric_limits<uint32_t>::max()) {
            refuse_argument(key, "must be a time in seconds since 1970");
        }
        order.has_since = true;
        order.since = static_cast<uint32_t>(value->intValue());
    } else if (key == "force") {
        order.force = truth(key, value);
    } else if (key == "dry-run") {
        order.dry_run = truth(key, value);
    } else {
        refuse_argument(key, "is not an argument of failover-partner-down: they are relationship, "
                             "down-since, force and dry-run");
    }
}

ConstElementPtr partner_down(const ConstElementPtr &arguments)
{
    Order order{};
    std::string name;
    char text[512];
    if (service() == nullptr) {
        refuse("the failover service does not run");
    }
    if (arguments && arguments->getType() != Element::map) {
        refuse("'arguments' must be a map");
    }
    if (arguments) {
        for (const auto &entry : arguments->mapValue()) {
            take_argument(entry.first, entry.second, name, order);
        }
    }
    const bool done = fo_partner_down(service(), &order, text, sizeof text);
    return createAnswer(done ? isc::config::CONTROL_RESULT_SUCCESS
                             : isc::config::CONTROL_RESULT_ERROR,
                        text);
}

extern "C" int failover_partner_down(CalloutHandle &handle)
{
    const bool answered = guarded("failover-partner-down", [&handle] {
        ConstElementPtr response;
        try {
            ConstElementPtr command, arguments;
            handle.getArgument("command", command);
            isc::config::parseCommand(arguments, command);
            response = partner_down(arguments);
        } catch (const std::exception &error) {
            response = createAnswer(isc::config::CONTROL_RESULT_ERROR, error.what());
        }
        handle.setArgument("response", response);
    });
    return answered ? 0 : 1;
}

} // namespace

void register_orders(isc::hooks::LibraryHandle &handle)
{
    handle.registerCommandCallout("failover-partner-down", failover_partner_down);
}

} // namespace failover
