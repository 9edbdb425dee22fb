/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The library's parameters: where they stand in Kea's configuration, and what speaks against
 * loading the library. What the parameters say is judged by hook/config.c.
 *
 * The parameters are taken from Kea's list of libraries rather than from the handle that load()
 * gets, because Kea may go back to an older configuration without loading the libraries again.
 */
#include "shim/shim.h"

#include <cc/command_interpreter.h>
#include <dhcpsrv/cfgmgr.h>
#include <exceptions/exceptions.h>

#include <algorithm>
#include <dlfcn.h>

namespace failover {

using isc::data::ConstElementPtr;
using isc::data::Element;
using isc::data::ElementPtr;

namespace {

std::string base_name(const std::string &path)
{
    return path.substr(path.rfind('/') + 1);
}

/* The file from which this code was loaded. */
const std::string &own_name()
{
    static const std::string name = [] {
        Dl_info info;
        const void *here = reinterpret_cast<const void *>(&own_name);
        return dladdr(here, &info) != 0 && info.dli_fname != nullptr ? base_name(info.dli_fname)
                                                                     : std::string();
    }();
    return name;
}

/* The secret wherever it stands in our parameters. True where there was one. */
bool hide_secrets(const ElementPtr &element)
{
    bool found = false;
    if (element->getType() == Element::list) {
        for (size_t i = 0; i < element->size(); i++) {
            found = hide_secrets(element->getNonConst(static_cast<int>(i))) || found;
        }
    } else if (element->getType() == Element::map) {
        for (const auto &entry : element->mapValue()) {
            if (entry.first == "secret") {
                found = true;
            } else {
                found = hide_secrets(boost::const_pointer_cast<Element>(entry.second)) || found;
            }
        }
        if (element->contains("secret")) {
            element->set("secret", Element::create("*****")); /* what hook/secret.c refuses */
        }
    }
    return found;
}

} // namespace

void refuse(const std::string &text)
{
    isc_throw(isc::BadValue, text);
}

void Config::parse(const ConstElementPtr &parameters)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    fo_config_free(&config_);
    config_ = fo_config();
    if (fo_config_parse(parameters ? parameters->str().c_str() : "{}", &config_, error) != 0) {
        refuse(error);
    }
}

void Config::set_state_file(const std::string &path)
{
    if (path.size() >= sizeof config_.state_file) {
        refuse("state-file: the path is too long: " + path);
    }
    path.copy(config_.state_file, path.size());
    config_.state_file[path.size()] = '\0';
}

ConstElementPtr own_parameters(const std::vector<LibraryEntry> &libraries)
{
    ConstElementPtr parameters;
    int times = 0;
    for (const LibraryEntry &entry : libraries) {
        const std::string name = base_name(entry.first);
        if (name == own_name()) {
            parameters = entry.second;
            times++;
        } else if (name.compare(0, 11, "libdhcp_ha.") == 0) {
            refuse("hooks-libraries: " + name + " cannot be loaded beside " + own_name() +
                   ": both would decide which server answers a client; remove one of the two");
        }
    }
    if (times > 1) {
        refuse("hooks-libraries: " + own_name() + " is named " + std::to_string(times) +
               " times; name it once, with all relationships in its high-availability list");
    }
    return parameters;
}

bool names_us(const std::vector<LibraryEntry> &libraries)
{
    return std::any_of(libraries.begin(), libraries.end(), [](const LibraryEntry &entry) {
        return base_name(entry.first) == own_name();
    });
}

/* config-get would show the secret. Its answer shares its parts with the running configuration, so it is
   copied first; config-write makes no such answer, and writes the secret, which would be lost else. */
void redact_answer(isc::hooks::CalloutHandle &handle)
{
    ConstElementPtr response;
    handle.getArgument("response", response);
    const ElementPtr copy = isc::data::copy(response);
    const ConstElementPtr arguments = copy->get("arguments");
    const ConstElementPtr server =
        arguments && arguments->getType() == Element::map ? arguments->get("Dhcp4") : nullptr;
    const ConstElementPtr libraries = server ? server->get("hooks-libraries") : nullptr;
    bool found = false;
    for (size_t i = 0; libraries && i < libraries->size(); i++) {
        const ConstElementPtr library = libraries->get(static_cast<int>(i));
        const ConstElementPtr parameters = library->get("parameters");
        if (parameters && base_name(library->get("library")->stringValue()) == own_name()) {
            found = hide_secrets(boost::const_pointer_cast<Element>(parameters)) || found;
        }
    }
    if (found) {
        handle.setArgument("response", ConstElementPtr(copy));
    }
}

static void refuse_unfit(const isc::dhcp::SrvConfig &server, const fo_config &config)
{
    const std::string reason = ": offer-lifetime must be 0 with failover: an offer must not become a "
                               "lease before the client asks for it";
    for (const auto &subnet : *server.getCfgSubnets4()->getAll()) {
        if (fo_config_relationship_of(&config, subnet->getID()) >= 0 &&
            has_offer_lifetime(*subnet)) {
            refuse("subnet " + std::to_string(subnet->getID()) + reason);
        }
    }
    for (const auto &client_class : *server.getClientClassDictionary()->getClasses()) {
        if (has_offer_lifetime(*client_class)) {
            refuse("client class " + client_class->getName() + reason);
        }
    }
}

void check_fit(const isc::dhcp::SrvConfig &server, const fo_config &config,
               const fo_topology &topology)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    refuse_unfit(server, config);
    if (fo_config_check(&config, &topology, error) != 0) {
        refuse(error);
    }
}

/* Kea has parsed the configuration under test into its staging area, and leaves it there. */
static void check_staging()
{
    const auto server = isc::dhcp::CfgMgr::instance().getStagingCfg();
    const auto libraries = libraries_of(*server);
    if (names_us(libraries)) {
        Config config;
        config.parse(own_parameters(libraries));
        check_fit(*server, config.get(), Topology(*server).get());
    }
}

void check_tested_config(isc::hooks::CalloutHandle &handle)
{
    ConstElementPtr response;
    handle.getArgument("response", response);
    int result = 0;
    isc::config::parseAnswer(result, response);
    if (result != isc::config::CONTROL_RESULT_SUCCESS) {
        return;
    }
    try {
        check_staging();
    } catch (const std::exception &error) {
        handle.setArgument(
            "response", isc::config::createAnswer(isc::config::CONTROL_RESULT_ERROR, error.what()));
    }
}
} // namespace failover
