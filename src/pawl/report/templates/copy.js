// The commands to the clipboard; where a browser refuses that, they are selected for the reader's own keys.
{
  const button = document.getElementById("copy");
  const commands = document.getElementById("commands");
  const said = document.getElementById("copied");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(commands.textContent);
      said.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(commands);
      said.textContent = "Selected: copy them with your keyboard";
    }
  });
  button.hidden = false;
}
