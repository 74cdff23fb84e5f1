# Nothing at all: an empty root, an empty environment. Namespaces, filter and the other restrictions are there all the same.
