module.exports = {
    // a plugin by name is looked for beside this file, not beside prettier
    plugins: [require.resolve("@prettier/plugin-xml")],
    bracketSpacing: false,
    printWidth: 88,
    proseWrap: "always",
    semi: true,
    trailingComma: "es5",
    xmlWhitespaceSensitivity: "preserve",
    overrides: [
        {files: ["*.js", "*.cjs", "*.xml"], options: {tabWidth: 4}},
        {files: ["*.yml", "*.yaml", "*.md", "*.json"], options: {tabWidth: 2}},
    ],
};
