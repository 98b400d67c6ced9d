// XML as a tree, read by libxml2, which takes nothing that is not well-formed.

#pragma once

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <libxml/parser.h>
#include <libxml/tree.h>

namespace lockflight {

struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  ///< of the element itself
  std::vector<XmlElement> children;

  /// Empty if there is none.
  std::string attribute(const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? "" : found->second;
  }

  /// Itself and all elements below, in the order of the document, of that name.
  std::vector<const XmlElement*> all(const std::string& wanted) const {
    std::vector<const XmlElement*> found;
    if (name == wanted) {
      found.push_back(this);
    }
    for (const XmlElement& child : children) {
      const auto below = child.all(wanted);
      found.insert(found.end(), below.begin(), below.end());
    }
    return found;
  }
};

inline std::string xml_string(const xmlChar* text) {
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

inline XmlElement xml_element(const xmlNode* node) {
  XmlElement element{.name = xml_string(node->name), .attributes = {}, .text = "", .children = {}};
  for (const xmlAttr* attribute = node->properties; attribute != nullptr;
       attribute = attribute->next) {
    element.attributes[xml_string(attribute->name)] = xml_string(attribute->children->content);
  }
  for (const xmlNode* child = node->children; child != nullptr; child = child->next) {
    if (child->type == XML_ELEMENT_NODE) {
      element.children.push_back(xml_element(child));
    } else {
      element.text += xml_string(child->content);
    }
  }
  return element;
}

/// The root.  Throws std::runtime_error if the text is not well-formed.
inline XmlElement parse_xml(const std::string& text) {
  const std::unique_ptr<xmlDoc, decltype(&xmlFreeDoc)> document(
      xmlReadMemory(text.data(), static_cast<int>(text.size()), "test.xml", "UTF-8",
                    XML_PARSE_NONET | XML_PARSE_HUGE),
      &xmlFreeDoc);
  if (!document) {
    throw std::runtime_error(std::string("not well-formed: ") + xmlGetLastError()->message);
  }
  return xml_element(xmlDocGetRootElement(document.get()));
}

}  // namespace lockflight
